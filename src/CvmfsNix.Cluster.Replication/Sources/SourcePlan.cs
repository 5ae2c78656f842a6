using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>The sources of a moment, and in which order an item is asked of them.</summary>
internal sealed class SourcePlan
{
    /// <summary>Bits of the masks in which it is noted who was asked.</summary>
    private const int SourcesMax = 64;

    private readonly string? _self;
    private readonly int _siblings;

    public SourcePlan(int version, string? self, IEnumerable<Source> siblings, IEnumerable<Source> core)
    {
        Version = version;
        _self = self;
        Source[] near = [.. siblings.Take(SourcesMax / 2)];
        _siblings = near.Length;
        Sources = [.. near, .. core.Take(SourcesMax / 2)];
    }

    /// <summary>Grows with every change.</summary>
    public int Version { get; }

    /// <summary>Siblings first; the place is the bit in masks.</summary>
    public IReadOnlyList<Source> Sources { get; }

    private ulong All => Sources.Count == SourcesMax ? ulong.MaxValue : (1UL << Sources.Count) - 1;

    private ulong Siblings => (1UL << _siblings) - 1;

    /// <summary>Notes that a source was asked in vain.</summary>
    /// <param name="wanted">For this.</param>
    /// <param name="source">It.</param>
    /// <param name="failed">It did not answer, or not properly; otherwise it does not have it.</param>
    public void Asked(Wanted wanted, Source source, bool failed)
    {
        int place = -1;
        for (int i = 0; i < Sources.Count; i++)
        {
            if (Sources[i] == source)
                place = i;
        }

        if (place < 0 || wanted.PlanVersion != Version)
            return;
        wanted.Asked |= 1UL << place;
        if (failed)
            wanted.Failed |= 1UL << place;
    }

    /// <summary>Whether it is not worth asking anybody again: every source answered that it lacks it, or all but siblings, whose duty it is not to have it.</summary>
    public bool IsNowhere(Wanted wanted)
    {
        ulong lack = wanted.Asked & ~wanted.Failed;
        if (Sources.Count == 0 || lack == 0)
            return false;
        return wanted.Optional || (Sources.Count > _siblings ? (lack | Siblings) == All : lack == All);
    }

    /// <summary>
    /// The place of the source that an item is asked of next, and whether it is waited for; -1 when all that do not rest were asked.
    /// Siblings first. With an own name, each item is one sibling's to fetch from afar, and all agree whose: the others wait for it.
    /// </summary>
    public (int Place, bool Wait) Next(StoreItem item, ulong asked)
    {
        (int owner, bool mine) = OwnerOf(item);
        if (owner >= 0 && !mine && (asked >> owner & 1) == 0 && !Sources[owner].IsResting)
            return (owner, Sources[owner].MayWait);
        for (int i = 0; i < Sources.Count; i++)
        {
            if ((asked >> i & 1) == 0 && !Sources[i].IsResting)
                return (i, false);
        }

        return (-1, false);
    }

    // Highest weight wins: when one leaves or rests, only what was its own is divided anew.
    private (int Place, bool Mine) OwnerOf(StoreItem item)
    {
        if (_self is null || _siblings == 0)
            return (-1, false);
        string name = item.ToString();
        int owner = -1;
        ulong best = Weight(_self, name);
        for (int i = 0; i < _siblings; i++)
        {
            if (Sources[i].IsResting)
                continue;
            ulong weight = Weight(Sources[i].Url.AbsoluteUri, name);
            if (weight > best)
                (owner, best) = (i, weight);
        }

        return owner < 0 ? (-1, true) : (owner, false);
    }

    private static ulong Weight(string node, string name)
    {
        Span<byte> text = stackalloc byte[512];
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        int length = Encoding.UTF8.TryGetBytes(node, text[..400], out int written) ? written : 0;
        length += Encoding.ASCII.GetBytes(name.AsSpan(0, Math.Min(name.Length, 100)), text[length..]);
        SHA256.HashData(text[..length], digest);
        return BinaryPrimitives.ReadUInt64LittleEndian(digest);
    }
}
