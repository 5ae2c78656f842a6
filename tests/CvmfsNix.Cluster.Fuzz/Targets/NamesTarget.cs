using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Encoding;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Short texts that are values: whoever reads one prints it as it was, so that two texts are never the same value.</summary>
public sealed class NamesTarget : TextTarget
{
    public override string Name => "names";

    public override int LengthMax => 600;

    public override AllocationBound Allocation => new(64 * 1024, 100);

    protected override IEnumerable<string> TextWords => ["-shake128", "-rmd160", "data/", "/", ".", "..", "sha256:", "sha256-", "/nix/store/", "klinhpw0a9i5ijq25qgb6mn1sbc5ncp7", new string('0', 40)];

    protected override IEnumerable<string> TextSeeds() =>
    [
        "klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one", "/nix/store", "/nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one/bin/x", "04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw",
        "sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw", "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78",
        "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78-shake128C", "data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78P", "test.example.org",
    ];

    protected override string RunText(string text, Random random)
    {
        List<string> read = [];
        Value("store path", StorePathName.TryParse(text, out StorePathName path), () => path.Value);
        Value("hash", ObjectHash.TryParse(text, out ObjectHash hash), () => hash.ToString());
        Value("object", ObjectName.TryParse(text, out ObjectName name), () => name.ToString());
        Value("object path", ObjectName.TryParsePath(text, out ObjectName located), () => located.RelativePath);
        if (Parsed(() => StoreDirectory.Parse(text)) is { } directory)
        {
            Value("store directory", true, () => directory.Value);
            Value("store path in a directory", directory.TryParsePath(text + "/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one", out StorePathName inside), () => text);
        }

        if (Parsed(() => StoreDirectory.Default.TopLevel(text)) is { Value.Length: > 0 } top)
            Oracle.Require(text.StartsWith(StoreDirectory.Default.FullPath(top), StringComparison.Ordinal), "the top level of a path is not its start");
        if (Parsed(() => (RepositoryPath?)RepositoryPath.Parse(text)) is { } inRepository && !text.Contains('\uFFFD', StringComparison.Ordinal) && text.Length > 0)
            Value("repository path", true, inRepository.ToString);
        if (Parsed(() => Nix32.Decode(text)) is { } bytes)
            Value("base 32", true, () => Nix32.Encode(bytes));
        if (NarHash.TryParse(text, out NarHash nar))
        {
            read.Add("NAR hash");
            Oracle.Require(NarHash.Parse(nar.ToString()) == nar && NarHash.Parse(nar.ToSri()) == nar && NarHash.Parse("sha256:" + nar.ToHex()) == nar, "a NAR hash printed and read again differs");
        }

        if (RepositoryName.IsValid(text))
        {
            read.Add("repository");
            Oracle.Require(Path.GetFileName(text) == text && text is not ("." or ".."), "a repository's name is not a file's name");
        }

        return read.Count == 0 ? "nothing" : $"{Accepted} {string.Join(' ', read)}";

        void Value(string what, bool isOne, Func<string> print)
        {
            if (!isOne)
                return;
            read.Add(what);
            Oracle.Same(text, print(), what);
        }
    }

    private static T? Parsed<T>(Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (FormatException)
        {
            return default;
        }
    }
}
