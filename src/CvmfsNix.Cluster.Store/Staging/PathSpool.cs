using System.Buffers.Binary;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.Encoding;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Records;
using Google.Protobuf;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>
/// The verified paths of an open transaction, in a scratch file: they may be many and are needed once more, in order, when the
/// transaction is sealed. Memory holds of each the hash part of its name and where it lies. Thread-safe. Nothing rests on it: a transaction
/// that is lost before its seal is sent again.
/// </summary>
internal sealed class PathSpool(string file, HashAlgorithmId algorithm) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly ScratchFile _scratch = new(file);
    private readonly Dictionary<HashPart, Place> _places = [];

    // Paths whose hash part another path has already. Nix makes no such paths; a builder that lies may.
    private readonly SortedDictionary<StorePathName, Place> _others = [];

    /// <summary>Paths kept.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _places.Count + _others.Count;
        }
    }

    /// <summary>Keeps a path; a later record of the same path replaces the earlier one, for a builder may repeat what it did not hear an answer to.</summary>
    public void Add(PathRecord record)
    {
        byte[] bytes = RecordMapping.ToWire(record).ToByteArray();
        StorePathName path = record.Info.Path;
        HashPart hash = HashPart.Of(path);
        lock (_lock)
        {
            bool shared = _places.TryGetValue(hash, out Place there) && Read(there).Info.Path != path;
            var place = new Place(_scratch.Append(bytes), bytes.Length);
            if (shared)
                _others[path] = place;
            else
                _places[hash] = place;
        }
    }

    /// <summary>All paths in ascending order, one in memory at a time. Nothing may be added meanwhile.</summary>
    public IEnumerable<PathRecord> Read()
    {
        HashPart[] order;
        ILookup<HashPart, Place> others;
        lock (_lock)
        {
            order = [.. _places.Keys];
            others = _others.ToLookup(o => HashPart.Of(o.Key), o => o.Value);
        }

        Array.Sort(order);
        foreach (HashPart hash in order)
        {
            if (!others.Contains(hash))
            {
                yield return Read(_places[hash]);
                continue;
            }

            foreach (PathRecord record in others[hash].Append(_places[hash]).Select(Read).OrderBy(r => r.Info.Path))
                yield return record;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _places.Clear();
            _places.TrimExcess();
            _others.Clear();
            _scratch.Dispose();
        }
    }

    private PathRecord Read(Place place)
    {
        var bytes = new byte[place.Length];
        _scratch.Read(place.Offset, bytes);
        return RecordMapping.FromWire(Records.Wire.PathRecord.Parser.ParseFrom(bytes), algorithm, _scratch.Name);
    }

    private readonly record struct Place(long Offset, int Length);

    /// <summary>The digits before the dash as a number; ordered as their text is, for Nix writes the last byte first and its digits ascend.</summary>
    private readonly record struct HashPart(UInt128 High, uint Low) : IComparable<HashPart>
    {
        public static HashPart Of(StorePathName path)
        {
            Span<byte> bytes = stackalloc byte[StorePathName.HashSize];
            if (!Nix32.TryDecode(path.Value.AsSpan(0, StorePathName.HashLength), bytes))
                throw new ArgumentException($"{path} has no hash part.", nameof(path));
            return new HashPart(BinaryPrimitives.ReadUInt128LittleEndian(bytes[sizeof(uint)..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes));
        }

        public int CompareTo(HashPart other) => High != other.High ? High.CompareTo(other.High) : Low.CompareTo(other.Low);
    }
}
