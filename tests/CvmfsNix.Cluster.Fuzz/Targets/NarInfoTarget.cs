using CvmfsNix.Cluster.Nix.NarInfos;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>narinfo files: what is read prints to a text that reads as the same and prints the same.</summary>
public sealed class NarInfoTarget : TextTarget
{
    private const string Hash = "sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw";

    public override string Name => "narinfo";

    protected override IEnumerable<string> TextWords =>
    [
        "StorePath: ", "URL: ", "Compression: ", "FileHash: ", "FileSize: ", "NarHash: ", "NarSize: ", "References: ", "Deriver: ", "Sig: ", "CA: ", "unknown-deriver", "\n", "\r",
        "klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one", "sha256:", Hash, "sha256-", "bzip2", "zstd", ": ",
    ];

    protected override IEnumerable<string> TextSeeds() =>
    [
        $"StorePath: /nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one\nURL: nar/x.nar.zst\nCompression: zstd\nFileHash: {Hash}\nFileSize: 99\nNarHash: {Hash}\nNarSize: 120\n"
            + "References: gr3a97frnlpizwv2a7dgng30jm7iwds6-dep-2.0 klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one\nDeriver: gh8w5sms34f0vlnb2pbr862jbqngkd38-app-2.0.drv\n"
            + "Sig: k:aaaa\nSig: l:bbbb\nCA: fixed:r:" + Hash + "\n",
        $"StorePath: /nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one\nURL: u\nNarHash: {Hash}\nNarSize: 1\nReferences: \n",
    ];

    protected override string RunText(string text, Random random)
    {
        NarInfo info;
        try
        {
            info = NarInfo.Parse(text);
        }
        catch (NarInfoFormatException e)
        {
            return e.Message;
        }

        string printed = info.ToString();
        NarInfo again = NarInfo.Parse(printed);
        Oracle.Same(printed, again.ToString(), "the narinfo printed again");
        Oracle.Require(info.ToPathInfo().Equals(again.ToPathInfo()) && info.Url == again.Url && info.FileHash == again.FileHash && info.FileSize == again.FileSize, "the narinfo read again differs");
        return $"{Accepted} {info.Signatures.Count > 0} {info.References.Count > 0} {info.Deriver is null} {info.ContentAddress is null}";
    }
}
