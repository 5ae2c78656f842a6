using System.Text;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Manifests: what is read prints to lines that read as the same; only the stock one verifies.</summary>
public sealed class ManifestTarget : FuzzTarget
{
    private static readonly byte[] Good = Golden.Named(".cvmfspublished");

    public override string Name => "manifest";

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        .. ((string[])["C", "B", "R", "D", "S", "G", "A", "N", "X", "H", "T", "M", "Y", "Z", "\n", "--\n", "\n--\n", "yes", "no", "-shake128", "-rmd160", "d41d8cd98f00b204e9800998ecf8427e", "golden.example.org", new string('0', 40)])
            .Select(Encoding.ASCII.GetBytes),
    ];

    public override AllocationBound Allocation => new(256 * 1024, 64);

    public override IEnumerable<byte[]> Seeds() =>
    [
        Good,
        Encoding.ASCII.GetBytes($"C{new string('a', 40)}-shake128\nB4096\nRd41d8cd98f00b204e9800998ecf8427e\nD240\nS7\nGyes\nAyes\nNdemo.example.org\nX{new string('1', 40)}\nH{new string('2', 40)}\nT1700000000\nM{new string('3', 40)}\nY{new string('4', 40)}\n--\n{new string('5', 40)}\nsignature"),
    ];

    public override string Run(byte[] input, Random random)
    {
        SignedManifest signed;
        try
        {
            signed = Manifest.ParseSigned(input);
        }
        catch (ManifestFormatException e)
        {
            return e.Message;
        }

        byte[] body = signed.Manifest.ToBody();
        Oracle.Require(signed.Manifest == Manifest.ParseSigned((byte[])[.. body, .. Encoding.ASCII.GetBytes($"--\n{signed.PrintedHash}\n")]).Manifest, "the manifest read again differs");
        bool trusted = signed.Verify(Golden.Certificate);
        Oracle.Require(!trusted || input.AsSpan().SequenceEqual(Good), "a changed manifest verifies");
        return Accepted;
    }
}
