using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Chunking;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Chunking;

public class ChunkDetectorTests
{
    [Fact]
    public void Cuts_are_those_of_the_stock_detector_at_its_default_sizes() =>
        Assert.Equal([8059046, 13774758, 28421577, 33356038, 39016113, 51666259, 57505181, 62077536, 66526537], Cuts(Noise(64 << 20), new ChunkDetector(), 1 << 20));

    [Fact]
    public void Cuts_are_those_of_the_stock_detector_at_small_sizes() =>
        Assert.Equal([1860, 5956, 7356, 9493, 10651, 12772, 14161, 15354, 16885, 17952], Cuts(Noise(64 << 10), new ChunkDetector(1024, 2048, 4096), 1 << 20).Take(10));

    [Fact]
    public void Cuts_do_not_depend_on_how_the_bytes_arrive() => Gen.Int[1, 5000].Sample(piece =>
    {
        var data = Noise(60_000);
        Assert.Equal(Cuts(data, new ChunkDetector(1024, 2048, 4096), data.Length), Cuts(data, new ChunkDetector(1024, 2048, 4096), piece));
    }, iter: 30);

    [Fact]
    public void Without_a_firing_byte_the_longest_size_cuts_and_the_end_of_file_does_not()
    {
        Assert.Equal([4096, 8192], Cuts(new byte[3 * 4096], new ChunkDetector(1024, 2048, 4096), 1000));
        Assert.Equal([4096, 8192, 12288], Cuts(new byte[3 * 4096 + 1], new ChunkDetector(1024, 2048, 4096), 1000));
    }

    private static byte[] Noise(int length)
    {
        var data = new byte[length];
        uint state = 1;
        for (var i = 0; i < length; i++)
        {
            state = state * 1664525 + 1013904223;
            data[i] = (byte)(state >> 24);
        }

        return data;
    }

    private static List<long> Cuts(byte[] data, ChunkDetector detector, int piece)
    {
        var cuts = new List<long>();
        for (var start = 0; start < data.Length; start += piece)
        {
            var at = start;
            var end = Math.Min(data.Length, start + piece);
            while (detector.FindCut(data.AsSpan(at, end - at)) is >= 0 and var count)
            {
                at += count;
                cuts.Add(at);
            }
        }

        return cuts;
    }
}
