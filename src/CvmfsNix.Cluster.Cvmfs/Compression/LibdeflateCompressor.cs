using System.Collections.Concurrent;
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace CvmfsNix.Cluster.Cvmfs.Compression;

/// <summary>
/// libdeflate (libdeflate.h, ABI 0). A compressor of it belongs to one caller at a time: they are lent, and there are never more than were in use
/// at once. They are never freed, as the library is never unloaded.
/// </summary>
internal sealed unsafe class LibdeflateCompressor : BlockCompressor
{
    private const int Success = 0;
    private const int LevelMax = 12;

    private readonly delegate* unmanaged<int, nint> _newCompressor;
    private readonly delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint> _compress;
    private readonly delegate* unmanaged<nint> _newDecompressor;
    private readonly delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint*, nuint*, int> _inflate;
    private readonly ConcurrentBag<nint>[] _compressors = [.. Enumerable.Range(0, LevelMax + 1).Select(_ => new ConcurrentBag<nint>())];
    private readonly ConcurrentBag<nint> _decompressors = [];

    private LibdeflateCompressor(nint newCompressor, nint compress, nint newDecompressor, nint inflate)
    {
        _newCompressor = (delegate* unmanaged<int, nint>)newCompressor;
        _compress = (delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint>)compress;
        _newDecompressor = (delegate* unmanaged<nint>)newDecompressor;
        _inflate = (delegate* unmanaged<nint, byte*, nuint, byte*, nuint, nuint*, nuint*, int>)inflate;
    }

    public override string Name => "libdeflate";

    public static new LibdeflateCompressor? TryLoad(string library)
    {
        if (!NativeLibrary.TryLoad(library, out nint handle))
            return null;
        return NativeLibrary.TryGetExport(handle, "libdeflate_alloc_compressor", out nint newCompressor)
            && NativeLibrary.TryGetExport(handle, "libdeflate_zlib_compress", out nint compress)
            && NativeLibrary.TryGetExport(handle, "libdeflate_alloc_decompressor", out nint newDecompressor)
            && NativeLibrary.TryGetExport(handle, "libdeflate_zlib_decompress_ex", out nint inflate)
            ? new LibdeflateCompressor(newCompressor, compress, newDecompressor, inflate)
            : null;
    }

    public override bool TryInflate(ReadOnlySpan<byte> stored, Span<byte> plain)
    {
        if (!_decompressors.TryTake(out nint decompressor) && (decompressor = _newDecompressor()) == 0)
            throw new InsufficientMemoryException("libdeflate has no memory for a decompressor.");
        nuint taken = 0;
        nuint made = 0;
        int result;
        // The library is never given a null pointer, not even for nothing.
        byte nothing = 0;
        fixed (byte* from = stored)
        fixed (byte* to = plain)
            result = _inflate(decompressor, from is null ? &nothing : from, (nuint)stored.Length, to is null ? &nothing : to, (nuint)plain.Length, &taken, &made);
        _decompressors.Add(decompressor);
        return result == Success && taken == (nuint)stored.Length && made == (nuint)plain.Length;
    }

    private protected override int CompressSome(ReadOnlySpan<byte> plain, Span<byte> stored, CompressionLevel level)
    {
        if (stored.IsEmpty)
            return 0;
        int number = NumberOf(level);
        if (!_compressors[number].TryTake(out nint compressor) && (compressor = _newCompressor(number)) == 0)
            throw new InsufficientMemoryException("libdeflate has no memory for a compressor.");
        nuint size;
        fixed (byte* from = plain)
        fixed (byte* to = stored)
            size = _compress(compressor, from, (nuint)plain.Length, to, (nuint)stored.Length);
        _compressors[number].Add(compressor);
        return (int)size;
    }

    // Of the levels that make objects at most 3 % larger than classic zlib's level 6 does, the fastest is meant by "optimal": docs/performance.md.
    private static int NumberOf(CompressionLevel level) => level switch
    {
        CompressionLevel.NoCompression => 0,
        CompressionLevel.Fastest => 1,
        CompressionLevel.SmallestSize => 9,
        _ => 4,
    };
}
