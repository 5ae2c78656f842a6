using System.Buffers.Binary;

namespace CvmfsNix.Cluster.TestKit.Networks;

/// <summary>
/// A wire on the way to a site that now and then exchanges two words inside a TCP segment. The sum of all words stays what it was, so no
/// checksum of the network tells.
/// </summary>
/// <param name="to">Number of the site.</param>
/// <param name="sourcePorts">Only segments sent from these ports are damaged.</param>
/// <param name="every">One of so many segments that carry much.</param>
public sealed class WireDamage(int to, IReadOnlySet<int> sourcePorts, int every)
{
    private const byte Tcp = 6;
    private const int Much = 600;

    private int _seen;
    private int _damaged;

    /// <summary>Segments damaged so far.</summary>
    public int Damaged => Volatile.Read(ref _damaged);

    /// <summary>Damages the packet if it is its turn.</summary>
    public void Touch(int from, int destination, Span<byte> packet)
    {
        if (destination != to || from == 0)
            return;
        int header = (packet[0] & 0x0f) * 4;
        if (packet[9] != Tcp || packet.Length < header + 20 || !sourcePorts.Contains(BinaryPrimitives.ReadUInt16BigEndian(packet[header..])))
            return;
        Span<byte> data = packet[(header + ((packet[header + 12] >> 4) * 4))..];
        if (data.Length < Much || ++_seen % every != 0)
            return;
        // Headers of TCP are whole words, so an even place in the data is an even place in the sum.
        for (int low = 200, high = 400; high + 2 <= data.Length; low += 2, high += 2)
        {
            if (data.Slice(low, 2).SequenceEqual(data.Slice(high, 2)))
                continue;
            (data[low], data[high]) = (data[high], data[low]);
            (data[low + 1], data[high + 1]) = (data[high + 1], data[low + 1]);
            Interlocked.Increment(ref _damaged);
            return;
        }
    }
}
