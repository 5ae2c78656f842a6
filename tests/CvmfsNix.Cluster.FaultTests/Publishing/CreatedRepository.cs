using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Processes;

namespace CvmfsNix.Cluster.FaultTests.Publishing;

/// <summary>A repository as <c>repo create</c> announced it.</summary>
internal sealed record CreatedRepository(string Name, string PublicKey, ulong Revision, string RootHash)
{
    public static async Task<CreatedRepository> CreateAsync(NodeAddresses server, string fqrn, CancellationToken cancellationToken, params string[] options)
    {
        JsonElement created = (await CliProcess.RunAsync(server, ["repo", "create", fqrn, .. options], cancellationToken)).Document;
        return new CreatedRepository(
            fqrn,
            created.GetProperty("publicKey").GetString()!,
            created.GetProperty("revision").GetUInt64(),
            created.GetProperty("rootHash").GetString()!);
    }
}
