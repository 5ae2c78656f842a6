using System.Collections.Concurrent;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Node.Errors;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>
/// Decides who may push to the binary cache of a repository. Policies lie in the key folder, which all core nodes share, as
/// <c>FQRN.nix.policy</c>, and are read again when they change. One that cannot be read lets nobody in.
/// </summary>
/// <param name="keyFolder">Where the policies lie.</param>
public sealed class CacheAccess(string keyFolder)
{
    private readonly ConcurrentDictionary<string, (DateTime WrittenAt, CachePolicy? Policy, string Problem)> _policies = new(StringComparer.Ordinal);

    /// <summary>Why a request may not push; null = it may, as far as its credentials tell.</summary>
    /// <param name="repository">Fully qualified name, checked.</param>
    /// <param name="caller">Who it comes from; whoever it is where the node asks nobody.</param>
    /// <param name="credential">What it shows, also where the node does not ask.</param>
    public NodeError? Refusal(string repository, Caller caller, Caller credential)
    {
        ArgumentNullException.ThrowIfNull(caller);
        ArgumentNullException.ThrowIfNull(credential);
        if (Policy(repository, out NodeError? problem) is not { } policy)
            return problem;
        var need = new Need(NeedKind.Publish, repository);
        NodeError? refusal = policy.Writers switch
        {
            CacheWriters.Open => null,
            CacheWriters.Token => credential.Refusal(need),
            _ => caller.Refusal(need),
        };
        if (refusal is null || refusal.Code is not (NodeCodes.Unauthorized or NodeCodes.Forbidden))
            return refusal;
        // Told apart for whoever reads the line: no token at all, and one that is not good here.
        return credential == Caller.None
            ? new NodeError(NodeCodes.Unauthorized, "Pushing to this binary cache needs a token.", repository, "Put it into a netrc file as the password (any login), and give it with --netrc-file.")
            : new NodeError(NodeCodes.Forbidden, $"The token is none that may push to this binary cache: it needs the scope {need}.", repository, $"{refusal.Message} Ask the operator for one; it is the password in the netrc file.");
    }

    /// <summary>Why a path may not be pushed; null = it may.</summary>
    public NodeError? Refusal(string repository, StoreDirectory directory, PathInfo path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Policy(repository, out NodeError? problem) is not { } policy)
            return problem;
        if (policy.Writers != CacheWriters.TrustedSignatures)
            return null;
        string fingerprint = Fingerprint.Of(directory, path);
        return path.Signatures.Any(s => policy.TrustedKeys.Any(k => k.Verify(fingerprint, s)))
            ? null
            : new NodeError(
                NodeCodes.Forbidden,
                "The path has no good signature by a key that this repository trusts.",
                path.Path.Value,
                $"Sign it (nix store sign -k, or secret-key=… in the store URL) with one of: {string.Join(", ", policy.TrustedKeys.Select(k => k.Name))}.");
    }

    private CachePolicy? Policy(string repository, out NodeError? problem)
    {
        problem = null;
        var file = new FileInfo(Path.Combine(keyFolder, repository + ".nix.policy"));
        if (!file.Exists)
            return CachePolicy.Default;
        if (!_policies.TryGetValue(repository, out var known) || known.WrittenAt != file.LastWriteTimeUtc)
            _policies[repository] = known = Read(file);
        if (known.Policy is null)
            problem = new NodeError(NodeCodes.Forbidden, $"The policy of this binary cache cannot be read: {known.Problem}", repository, "The operator has to mend it.");
        return known.Policy;
    }

    private static (DateTime WrittenAt, CachePolicy? Policy, string Problem) Read(FileInfo file)
    {
        DateTime writtenAt = file.LastWriteTimeUtc;
        try
        {
            return (writtenAt, CachePolicy.Parse(File.ReadAllText(file.FullName)), "");
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            return (writtenAt, null, e.Message);
        }
    }
}
