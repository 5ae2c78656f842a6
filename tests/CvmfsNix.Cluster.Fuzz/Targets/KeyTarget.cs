using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Fuzz.Mutation;
using CvmfsNix.Cluster.Nix.Signing;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Public keys in PEM form, and the keys of Nix. Half of the changes are made inside the DER form.</summary>
public sealed class KeyTarget : TextTarget
{
    private static readonly SignedWhitelist Whitelist = CvmfsNix.Cluster.Cvmfs.Trust.Whitelist.ParseSigned(Golden.Named(".cvmfswhitelist"));

    public override string Name => "keys";

    protected override IEnumerable<string> TextWords =>
        ["-----BEGIN PUBLIC KEY-----\n", "-----END PUBLIC KEY-----\n", "-----BEGIN RSA PUBLIC KEY-----\n", "-----END RSA PUBLIC KEY-----\n", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", ":", "=", "\n"];

    protected override IEnumerable<string> TextSeeds()
    {
        using var rsa = RSA.Create(1024);
        using var elliptic = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return
        [
            Golden.PublicKey, rsa.ExportRSAPublicKeyPem(), rsa.ExportSubjectPublicKeyInfoPem(), elliptic.ExportSubjectPublicKeyInfoPem(), Golden.PublicKey + elliptic.ExportSubjectPublicKeyInfoPem(),
            "rfc8032-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "rfc8032-1:nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==",
            "rfc8032-1:KOZjPQMtDDdCZl8kILEfBrKaU84coRUQ+J7sw1pvu1KihwqEQ8Y/wMlSUu+pLvQcfCDOq21NZCJrPHKeyatrBw==",
        ];
    }

    public override byte[] Mutate(byte[] input, Mutator mutator)
    {
        string text = System.Text.Encoding.Latin1.GetString(input);
        if (mutator.Random.Next(2) == 0 || !PemEncoding.TryFind(text, out PemFields fields))
            return mutator.Mutate(input);
        byte[] der = mutator.Mutate(Convert.FromBase64String(text[fields.Base64Data]));
        return System.Text.Encoding.Latin1.GetBytes(PemEncoding.WriteString(text[fields.Label], der));
    }

    protected override string RunText(string text, Random random)
    {
        string outcome;
        try
        {
            using RSA key = RepositoryKeys.ReadPublicKeyPem(text);
            outcome = $"{Accepted} PEM {Whitelist.Verify([key])}";
        }
        catch (KeyFileException e)
        {
            outcome = e.Message;
        }

        return outcome + Nix(text);
    }

    private static string Nix(string text)
    {
        const string fingerprint = "1;/nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one;sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw;120;";
        string outcome = "";
        try
        {
            NixPublicKey key = NixPublicKey.Parse(text);
            Oracle.Same(text.Trim(), key.ToString(), "the public key printed again");
            outcome += $" public {key.Verify(fingerprint, text)}";
        }
        catch (FormatException)
        {
            // Not a public key.
        }

        try
        {
            NixSecretKey key = NixSecretKey.Parse(text);
            Oracle.Same(text.Trim(), key.ToSecretString(), "the secret key printed again");
            Oracle.Require(key.PublicKey.Verify(fingerprint, key.Sign(fingerprint)), "a key does not verify its own signature");
            outcome += " secret";
        }
        catch (FormatException)
        {
            // Not a secret key.
        }

        return outcome;
    }
}
