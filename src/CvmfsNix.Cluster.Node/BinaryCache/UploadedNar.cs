using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Store.Archives;

namespace CvmfsNix.Cluster.Node.BinaryCache;

/// <summary>An archive that was uploaded, unpacked and checked, and waits for the narinfo that says which path it is.</summary>
/// <param name="Archive">Its tree and objects.</param>
/// <param name="FileHash">SHA-256 of the file as it was uploaded.</param>
/// <param name="FileSize">Bytes of that file.</param>
internal sealed record UploadedNar(ReceivedArchive Archive, NarHash FileHash, long FileSize)
{
    private const long EntryBytes = 400;

    /// <summary>About how much memory its tree takes; bytes.</summary>
    public long MemoryBytes => EntryBytes * Archive.Entries;
}
