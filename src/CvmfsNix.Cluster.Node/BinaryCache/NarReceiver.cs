using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Store.Archives;
using CvmfsNix.Cluster.Store.Repositories;
using SharpCompress.Common;
using SharpCompress.Compressors.Xz;
using SharpCompress.Compressors.ZStandard;

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
        switch (name.Compression)
        {
            case NarCompression.None:
                return await intake.ReceiveAsync(store, file, ct);
            case NarCompression.Zstd:
                await using (var zstd = new DecompressionStream(file, bufferSize: 0, checkEndOfStream: true, leaveOpen: true))
                    return await intake.ReceiveAsync(store, zstd, ct);
            default:
                await using (var input = new XzInput(file))
                await using (var xz = new XZStream(input))
                    return await intake.ReceiveAsync(store, xz, ct);
        }
    }

    private static string? Problem(Exception e) => e switch
    {
        NarFormatException => $"It is no valid Nix archive: {e.Message}",
        SharpCompressException or ZstdException or EndOfStreamException or InvalidDataException or OverflowException or ArgumentException or IndexOutOfRangeException => $"It cannot be decompressed: {e.Message}",
        _ => null,
    };

    private static NodeException Invalid(string code, string what, string message, Exception? inner = null) => new(new NodeError(code, message, what), inner);
}
