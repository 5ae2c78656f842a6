using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>
/// SHA-256 over what a publish asks for: a retry has the same, another request has another, and the cluster tells the two
/// apart by it. The digested text, lines ended by LF, in UTF-8:
/// <code>
/// cvmfsnix-request 1
/// repository FQRN
/// conflict keep|refuse
/// profile NAME TARGET      (both empty without a profile)
/// path BASENAME NARHASH    (for every path, in ordinal order; NARHASH in lower-case hex)
/// </code>
/// How the paths were found (closure or not, which order) does not matter, only which they are.
/// </summary>
internal static class RequestDigest
{
    public static byte[] Compute(string repository, IEnumerable<PathInfo> paths, string? profile, string? profileTarget, ConflictPolicy conflict)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Line("cvmfsnix-request 1");
        Line($"repository {repository}");
        Line($"conflict {(conflict == ConflictPolicy.Refuse ? "refuse" : "keep")}");
        Line($"profile {profile ?? ""} {(profile is null ? "" : profileTarget)}");
        foreach (PathInfo info in paths.OrderBy(i => i.Path))
            Line($"path {info.Path.Value} {info.NarHash.ToHex()}");
        return hash.GetHashAndReset();

        void Line(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
    }
}
