using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Records.Wire;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>Reads a transaction's bundle forwards, one path in memory at a time.</summary>
public sealed class BundleReader : IDisposable
{
    private readonly string _file;
    private readonly HashAlgorithmId _algorithm;
    private readonly IEnumerator<FileItem> _items;

    /// <summary>Reads the header and takes over the stream.</summary>
    /// <param name="source">The bundle.</param>
    /// <param name="algorithm">The repository's hash algorithm, of which its nested catalogs are.</param>
    /// <param name="file">What errors call it: the bundle's digest.</param>
    /// <exception cref="RecordFormatException">It is torn or no bundle.</exception>
    public BundleReader(Stream source, HashAlgorithmId algorithm, string file)
    {
        ArgumentNullException.ThrowIfNull(source);
        _file = file;
        _algorithm = algorithm;
        _items = RecordFileReader.Read(source, file).GetEnumerator();
        try
        {
            Header = _items.MoveNext() && _items.Current.Bundle is { } header
                ? RecordMapping.FromWire(header, file)
                : throw new RecordFormatException(file, "it does not start with a bundle header");
        }
        catch
        {
            _items.Dispose();
            throw;
        }
    }

    /// <summary>The header of a blob that may be something else; null when it is no bundle. Disposes the stream.</summary>
    public static BundleHeader? TryReadHeader(Stream source, string file)
    {
        try
        {
            return RecordFileReader.Read(source, file).FirstOrDefault()?.Bundle is { } header ? RecordMapping.FromWire(header, file) : null;
        }
        catch (RecordFormatException)
        {
            return null;
        }
    }

    /// <summary>What the transaction asks for besides its paths.</summary>
    public BundleHeader Header { get; }

    /// <summary>The paths, ascending; to be enumerated once.</summary>
    /// <exception cref="RecordFormatException">The bundle is torn, unordered or holds something else.</exception>
    public IEnumerable<PathRecord> Paths()
    {
        StorePathName? last = null;
        while (_items.MoveNext())
        {
            if (_items.Current.Path is not { } wire)
                throw new RecordFormatException(_file, $"a bundle holds paths, not a {_items.Current.ItemCase}");
            PathRecord record = RecordMapping.FromWire(wire, _algorithm, _file);
            if (last is { } before && record.Info.Path.CompareTo(before) <= 0)
                throw new RecordFormatException(_file, $"{record.Info.Path} does not come after {before}");
            last = record.Info.Path;
            yield return record;
        }
    }

    public void Dispose() => _items.Dispose();
}
