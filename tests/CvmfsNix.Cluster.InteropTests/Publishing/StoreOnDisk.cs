using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Publishing;

/// <summary>What programs that are not ours say of store paths: Nix of hashes, find and sha256sum of files.</summary>
internal static class StoreOnDisk
{
    /// <summary>Hash and size Nix registered, by <c>nix-store --query</c>.</summary>
    public static async Task<Dictionary<StorePathName, (NarHash Hash, long Size)>> RegisteredAsync(NixSandbox nix, IReadOnlyList<StorePathName> paths)
    {
        string[] full = [.. paths.Select(nix.StoreDirectory.FullPath)];
        string[] hashes = await nix.LinesAsync("nix-store", ["--query", "--hash", .. full]);
        string[] sizes = await nix.LinesAsync("nix-store", ["--query", "--size", .. full]);
        Assert.Equal((paths.Count, paths.Count), (hashes.Length, sizes.Length));
        return Enumerable.Range(0, paths.Count).ToDictionary(
            i => paths[i], i => (NarHash.Parse(hashes[i]), long.Parse(sizes[i], CultureInfo.InvariantCulture)));
    }

    /// <summary>A path and all it refers to, by <c>nix-store -qR</c>.</summary>
    public static async Task<StorePathName[]> ClosureAsync(NixSandbox nix, StorePathName root) =>
        [.. (await nix.LinesAsync("nix-store", "-qR", nix.StoreDirectory.FullPath(root))).Select(nix.StoreDirectory.ParsePath)];

    /// <summary>
    /// One line per file below a folder and of itself, ordered: path below it in base64, type, mode, modification time, owner, and of files size and
    /// SHA-256, of links size and target in base64.
    /// </summary>
    public static async Task<List<string>> ListAsync(string folder, CancellationToken cancellationToken)
    {
        ProgramRun found = await ProgramRun.RunAsync(
            "find", [folder, "-printf", "%P\\0%y\\0%m\\0%T@\\0%U:%G\\0%s\\0%l\\0"], null, cancellationToken);
        ProgramRun digests = await ProgramRun.RunAsync("sh", ["-c", "cd \"$1\" && find . -type f -exec sha256sum -z {} +", "sh", folder], null, cancellationToken);
        var sha256 = Fields(digests.Succeeded().Bytes).ToDictionary(
            static line => Convert.ToBase64String(line.AsSpan("./".Length + 66)), static line => Encoding.ASCII.GetString(line, 0, 64));
        List<string> lines = [];
        foreach (byte[][] field in Fields(found.Succeeded().Bytes).Chunk(7))
        {
            string path = Convert.ToBase64String(field[0]), type = Text(field[1]);
            string mode = Text(field[2]).PadLeft(4, '0'), time = Text(field[3]).Split('.')[0];
            lines.Add(Line(path, type, mode, time, Text(field[4]), Text(field[5]), type == "f" ? sha256[path] : Convert.ToBase64String(field[6])));
        }

        lines.Sort(StringComparer.Ordinal);
        return lines;
    }

    /// <summary>A line of <see cref="ListAsync"/>. The size of a directory is the file system's own business.</summary>
    public static string Line(string pathBase64, string type, string mode, string time, string owner, string size, string content) =>
        $"{pathBase64} {type} {mode} {time} {owner} {(type == "d" ? "" : size)} {content}";

    private static string Text(byte[] bytes) => Encoding.ASCII.GetString(bytes);

    private static IEnumerable<byte[]> Fields(byte[] terminated)
    {
        int start = 0;
        for (int i = 0; i < terminated.Length; i++)
        {
            if (terminated[i] != 0)
                continue;
            yield return terminated[start..i];
            start = i + 1;
        }
    }
}
