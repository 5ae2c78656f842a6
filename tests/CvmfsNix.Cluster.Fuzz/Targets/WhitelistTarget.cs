using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Whitelists: what is read prints to lines that read as the same; only the stock one verifies.</summary>
public sealed class WhitelistTarget : FuzzTarget
{
    private static readonly byte[] Good = Golden.Named(".cvmfswhitelist");
    private static readonly RSA[] MasterKey = [RepositoryKeys.ReadPublicKeyPem(Golden.PublicKey)];
    private static readonly DateTimeOffset Now = new(2027, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override string Name => "whitelist";

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        .. ((string[])["E", "N", "20240131120000", "99991231235959", "00010101000000", "Vpkcs7\n", "Wcachain\n", "\n", "\n--\n", "#", ":", "-SHAKE128", "-RMD160", "26:27:54:E3:37:60:25:38:94:62:50:A3:D3:17:96:25:B9:51:99:23\n"])
            .Select(Encoding.ASCII.GetBytes),
    ];

    public override AllocationBound Allocation => new(256 * 1024, 100);

    public override IEnumerable<byte[]> Seeds() =>
    [
        Good,
        Encoding.ASCII.GetBytes($"20240131120000\nE20240301120000\nNdemo.example.org\nodd line\n26:27:54:E3:37:60:25:38:94:62:50:A3:D3:17:96:25:B9:51:99:23-SHAKE128 # a comment\n--\n{new string('0', 40)}-rmd160\nx"),
    ];

    public override string Run(byte[] input, Random random)
    {
        SignedWhitelist signed;
        try
        {
            signed = Whitelist.ParseSigned(input);
        }
        catch (WhitelistFormatException e)
        {
            return e.Message;
        }

        Whitelist read = signed.Whitelist;
        _ = read.IsExpiredAt(Now);
        _ = read.Lists(Golden.Certificate);
        Oracle.Require(!signed.Verify(MasterKey) || input.AsSpan().SequenceEqual(Good), "a changed whitelist verifies");
        byte[] body;
        try
        {
            body = read.ToBody();
        }
        catch (WhitelistFormatException)
        {
            // A comment behind a fingerprint is passed over by readers and not written by us.
            Oracle.Require(read.Fingerprints.Any(f => f.AsSpan().IndexOfAny("# \t") >= 0), "a whitelist without comments cannot be printed");
            return Accepted + " with comments";
        }

        Whitelist again = Whitelist.ParseSigned((byte[])[.. body, .. Encoding.ASCII.GetBytes($"--\n{signed.PrintedHash}\n")]).Whitelist;
        Oracle.Require(read.ExpiresAt == again.ExpiresAt && read.CreatedAt == again.CreatedAt && read.Fingerprints.SequenceEqual(again.Fingerprints), "the whitelist read again differs");
        return Accepted;
    }
}
