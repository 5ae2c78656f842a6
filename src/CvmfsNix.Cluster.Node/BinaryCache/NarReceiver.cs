using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Compression;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Store.Archives;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>Unpacks uploaded archives as they come in, and checks that each is the file its name says.</summary>
internal sealed class NarReceiver(ArchiveIntake intake)
{
    /// <summary>Reads a body to its end.</summary>
    /// <exception cref="NodeException">It is not what its name says.</exception>
    public async Task<UploadedNar> ReceiveAsync(RepositoryStore store, NarFileName name, string shownName, Stream body, CancellationToken ct)
    {
        using var file = new HashingBody(body);
        ReceivedArchive? archive = null;
        try
        {
            archive = await UnpackAsync(store, name, file, ct);
            NarHash hash = await file.FinishAsync(ct);
            if (hash != name.Hash)
                throw Invalid(NodeCodes.InvalidArchive, shownName, $"The file has the hash {hash.ToNix32()}, its name says another. It was damaged on its way.");
            return new UploadedNar(archive, hash, file.Count);
        }
        catch (Exception e)
        {
            if (archive is not null)
                await archive.DisposeAsync();
            if (Problem(e) is { } problem)
                throw Invalid(NodeCodes.InvalidArchive, shownName, problem, e);
            throw;
        }
    }

    private async Task<ReceivedArchive> UnpackAsync(RepositoryStore store, NarFileName name, HashingBody file, CancellationToken ct)
    {
        if (name.Compression == NarCompression.None)
            return await intake.ReceiveAsync(store, file, ct);
        await using Stream archive = NarDecompression.Open(file, name.Compression);
        return await intake.ReceiveAsync(store, archive, ct);
    }

    private static string? Problem(Exception e) => e switch
    {
        NarFormatException => $"It is no valid Nix archive: {e.Message}",
        // No decoder of what is taken here throws it: it would be a mistake of this program.
        InvalidOperationException => null,
        _ when NarDecompression.IsDamage(e) => $"It cannot be decompressed: {e.Message}",
        _ => null,
    };

    private static NodeException Invalid(string code, string what, string message, Exception? inner = null) => new(new NodeError(code, message, what), inner);
}
