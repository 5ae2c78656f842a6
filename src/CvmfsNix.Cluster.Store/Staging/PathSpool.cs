using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Records;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>
/// The verified paths of an open transaction, in a scratch file: they may be many and are needed once more, in order, when the
/// transaction is sealed. Thread-safe. Nothing rests on it: a transaction that is lost before its seal is sent again.
/// </summary>
internal sealed class PathSpool(string file, HashAlgorithmId algorithm) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<StorePathName, (long Offset, int Length)> _places = [];
    private SafeFileHandle? _handle;
    private long _length;

    /// <summary>Paths kept.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _places.Count;
        }
    }

    /// <summary>Keeps a path; a later record of the same path replaces the earlier one, for a builder may repeat what it did not hear an answer to.</summary>
    public void Add(PathRecord record)
    {
        byte[] bytes = RecordMapping.ToWire(record).ToByteArray();
        lock (_lock)
        {
            _handle ??= Open();
            RandomAccess.Write(_handle, bytes, _length);
            _places[record.Info.Path] = (_length, bytes.Length);
            _length += bytes.Length;
        }
    }

    /// <summary>All paths in ascending order, one in memory at a time.</summary>
    public IEnumerable<PathRecord> Read()
    {
        List<(long Offset, int Length)> places;
        lock (_lock)
            places = [.. _places.Values];
        foreach ((long offset, int length) in places)
        {
            var bytes = new byte[length];
            for (int read = 0, step; read < length; read += step)
            {
                step = RandomAccess.Read(_handle!, bytes.AsSpan(read), offset + read);
                if (step == 0)
                    throw new IOException($"{file} is shorter than what was written to it.");
            }

            yield return RecordMapping.FromWire(Records.Wire.PathRecord.Parser.ParseFrom(bytes), algorithm, file);
        }
    }

    public void Dispose() => _handle?.Dispose();

    private SafeFileHandle Open() =>
        File.OpenHandle(file, FileMode.Create, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
}
