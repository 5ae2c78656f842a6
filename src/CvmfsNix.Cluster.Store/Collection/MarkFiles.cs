using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Collection;

/// <summary>
/// Marks of objects, and which contents lie in them, spread over 256 files by the first byte of their names as the store spreads the objects: however many there are,
/// one of 256 parts is in memory at a time. Scratch.
/// </summary>
internal sealed class MarkFiles : IDisposable
{
    private const int MarkSize = ObjectHash.Size + 2;
    private const int ContentSize = ObjectHash.Size + 1 + ContentDigest.Size;
    private const int BufferSize = 8192;

    private readonly string _folder;
    private readonly HashAlgorithmId _algorithm;
    private readonly Part?[] _marks = new Part?[256];
    private readonly Part?[] _contents = new Part?[256];

    public MarkFiles(string folder, HashAlgorithmId algorithm)
    {
        (_folder, _algorithm) = (folder, algorithm);
        Directory.CreateDirectory(folder);
    }

    /// <summary>Marks an object as needed.</summary>
    /// <param name="name">The object.</param>
    /// <param name="required">It must be here; else it is kept where it is here.</param>
    public void Mark(ObjectName name, bool required)
    {
        Span<byte> mark = stackalloc byte[MarkSize];
        name.Hash.CopyTo(mark);
        mark[^2] = (byte)name.Kind;
        mark[^1] = required ? (byte)1 : (byte)0;
        PartOf(_marks, mark[0], "marks").Write(mark);
    }

    /// <summary>Notes that a content lies in an object.</summary>
    public void Note(ContentDigest digest, ObjectName name)
    {
        Span<byte> note = stackalloc byte[ContentSize];
        name.Hash.CopyTo(note);
        note[ObjectHash.Size] = (byte)name.Kind;
        digest.CopyTo(note[(ObjectHash.Size + 1)..]);
        PartOf(_contents, note[0], "contents").Write(note);
    }

    /// <summary>The marks of one part: each object once, with whether it must be here.</summary>
    public Dictionary<ObjectName, bool> Marks(byte part)
    {
        var marks = new Dictionary<ObjectName, bool>();
        foreach (byte[] mark in _marks[part]?.Read(MarkSize) ?? [])
        {
            var name = new ObjectName(new ObjectHash(_algorithm, mark.AsSpan(0, ObjectHash.Size)), (ObjectKind)mark[^2]);
            marks[name] = mark[^1] == 1 || marks.GetValueOrDefault(name);
        }

        return marks;
    }

    /// <summary>The contents that lie in some objects of one part.</summary>
    public HashSet<ContentDigest> Contents(byte part, HashSet<ObjectName> among)
    {
        var contents = new HashSet<ContentDigest>();
        foreach (byte[] note in _contents[part]?.Read(ContentSize) ?? [])
        {
            if (among.Contains(new ObjectName(new ObjectHash(_algorithm, note.AsSpan(0, ObjectHash.Size)), (ObjectKind)note[ObjectHash.Size])))
                contents.Add(new ContentDigest(note.AsSpan(ObjectHash.Size + 1)));
        }

        return contents;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private Part PartOf(Part?[] parts, byte part, string kind) => parts[part] ??= new Part(Path.Combine(_folder, $"{part:x2}.{kind}"));

    // Not kept open: there are hundreds.
    private sealed class Part(string file)
    {
        private readonly byte[] _buffer = new byte[BufferSize];
        private int _used;

        public void Write(ReadOnlySpan<byte> record)
        {
            if (_used + record.Length > _buffer.Length)
                Flush();
            record.CopyTo(_buffer.AsSpan(_used));
            _used += record.Length;
        }

        public IEnumerable<byte[]> Read(int size)
        {
            Flush();
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read);
            var record = new byte[size];
            while (stream.ReadAtLeast(record, size, throwOnEndOfStream: false) == size)
                yield return record;
        }

        private void Flush()
        {
            using var stream = new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
            stream.Write(_buffer.AsSpan(0, _used));
            _used = 0;
        }
    }
}
