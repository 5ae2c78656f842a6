using System.IO.Compression;
using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Store.Catalogs;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Catalogs;

public sealed class SegmentedCompressorTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void The_result_is_an_ordinary_zlib_stream_of_the_file_whatever_its_length() =>
        Gen.Select(Gen.Int[0, 5 * SegmentedCompressor.SegmentSize], Gen.Int).Sample((length, seed) =>
        {
            byte[] file = Content(length, seed);
            var compressor = new SegmentedCompressor();
            byte[] stored = Compress(compressor, file);
            Assert.Equal((file.Length, stored.Length), ((int)compressor.PlainSize, (int)compressor.StoredSize));
            using var zlib = new ZLibStream(new MemoryStream(stored), CompressionMode.Decompress);
            using var plain = new MemoryStream();
            zlib.CopyTo(plain);
            Assert.Equal(file, plain.ToArray());
            Assert.Equal(file, ObjectCompression.Decompress(stored, file.Length + 1));
        }, iter: 30);

    [Fact]
    public void Only_what_changed_is_compressed_and_the_past_does_not_show()
    {
        var compressor = new SegmentedCompressor();
        byte[] file = Content(10 * SegmentedCompressor.SegmentSize + 17, 1);
        Compress(compressor, file);
        Assert.Equal(11, compressor.SegmentsCompressed);

        file[3 * SegmentedCompressor.SegmentSize] ^= 1;
        byte[] changed = Compress(compressor, file);
        Assert.Equal(1, compressor.SegmentsCompressed);
        var fresh = new SegmentedCompressor();
        Assert.Equal(Compress(fresh, file), changed);

        byte[] shorter = file[..(5 * SegmentedCompressor.SegmentSize)];
        Assert.Equal(Compress(fresh, shorter), Compress(compressor, shorter));
    }

    [Fact]
    public async Task A_version_that_could_not_be_read_to_its_end_leaves_nothing_wrong_behind()
    {
        var compressor = new SegmentedCompressor();
        byte[] file = Content(8 * SegmentedCompressor.SegmentSize, 1);
        Compress(compressor, file);
        byte[] next = Content(12 * SegmentedCompressor.SegmentSize, 2);
        ReadRange fails = (offset, buffer) =>
        {
            if (offset == 5 * SegmentedCompressor.SegmentSize)
                throw new IOException("the disk is gone");
            next.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
        };
        Assert.Throws<IOException>(() => compressor.Take(next.Length, fails));
        Assert.Equal(next, ObjectCompression.Decompress(Compress(compressor, next), next.Length + 1));
        await Assert.ThrowsAsync<IOException>(() => compressor.StoreAsync(next.Length, fails, Stream.Null, Cancel));
        Assert.Equal(next, ObjectCompression.Decompress(Compress(compressor, next), next.Length + 1));
        Assert.Equal(file, ObjectCompression.Decompress(Compress(compressor, file), file.Length + 1));
    }

    [Fact]
    public void What_was_looked_at_beforehand_is_not_compressed_again_and_a_file_of_many_parts_is_written_in_order()
    {
        var compressor = new SegmentedCompressor();
        byte[] file = Content((300 * SegmentedCompressor.SegmentSize) + 5, 3);
        compressor.Take(file.Length, Reader(file));
        Assert.Equal(301, compressor.SegmentsCompressed);
        byte[] stored = Compress(compressor, file);
        Assert.Equal((0, (long)file.Length, (long)stored.Length), (compressor.SegmentsCompressed, compressor.PlainSize, compressor.StoredSize));
        Assert.Equal(file, ObjectCompression.Decompress(stored, file.Length + 1));

        file[^1] ^= 1;
        file[0] ^= 1;
        Assert.Equal(file, ObjectCompression.Decompress(Compress(compressor, file), file.Length + 1));
        Assert.Equal(2, compressor.SegmentsCompressed);
    }

    [Fact]
    public async Task A_destination_that_fails_ends_it_before_the_file_may_be_closed()
    {
        var compressor = new SegmentedCompressor();
        byte[] file = Content(300 * SegmentedCompressor.SegmentSize, 4);
        using var held = new ManualResetEventSlim();
        var ahead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int reading = 0;
        Task storing = compressor.StoreAsync(
            file.Length,
            (offset, buffer) =>
            {
                Interlocked.Increment(ref reading);
                if (offset >= 150 * SegmentedCompressor.SegmentSize)
                {
                    ahead.TrySetResult();
                    held.Wait(Cancel);
                }

                Reader(file)(offset, buffer);
                Interlocked.Decrement(ref reading);
            },
            new FullStream(ahead.Task),
            Cancel);
        await ahead.Task.WaitAsync(Cancel);
        // What looks ahead still reads the file; a method that had ended by now would let its caller close it.
        await Task.WhenAny(storing, Task.Delay(TimeSpan.FromMilliseconds(500), Cancel));
        Assert.False(storing.IsCompleted);
        held.Set();
        await Assert.ThrowsAsync<IOException>(() => storing);
        Assert.Equal(0, reading);
        Assert.Equal(file, ObjectCompression.Decompress(Compress(compressor, file), file.Length + 1));
    }

    private static ReadRange Reader(byte[] file) => (offset, buffer) => file.AsSpan((int)offset, buffer.Length).CopyTo(buffer);

    private sealed class FullStream(Task full) : MemoryStream
    {
        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Length < 100_000)
            {
                await base.WriteAsync(buffer, cancellationToken);
                return;
            }

            await full.WaitAsync(cancellationToken);
            throw new IOException("the disk is full");
        }
    }

    private static byte[] Compress(SegmentedCompressor compressor, byte[] file)
    {
        using var stored = new MemoryStream();
        compressor.StoreAsync(file.Length, Reader(file), stored, Cancel).GetAwaiter().GetResult();
        return stored.ToArray();
    }

    private static byte[] Content(int length, int seed)
    {
        var bytes = new byte[length];
        var random = new Random(seed);
        for (int i = 0; i < length; i++)
            bytes[i] = (byte)random.Next(i % 3 == 0 ? 256 : 4);
        return bytes;
    }
}
