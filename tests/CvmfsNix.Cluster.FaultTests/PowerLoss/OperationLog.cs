using System.Buffers.Binary;
using System.Text;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>The operations of the recorder; the numbers are those of shim.c.</summary>
internal enum OperationKind : byte
{
    Start = 1,
    Open,
    Close,
    Duplicate,
    Write,
    Truncate,
    Extend,
    Rename,
    Unlink,
    MakeDirectory,
    RemoveDirectory,
    Link,
    SymbolicLink,
    Sync,
    SyncAll,
    Unsupported,
}

/// <summary>One recorded operation. The meaning of A and B depends on the kind: offset, size, flags, second descriptor.</summary>
internal sealed record Operation(
    OperationKind Kind, int Process, int Descriptor, long A, long B, string Path, string SecondPath, ReadOnlyMemory<byte> Data);

/// <summary>The recorder's log, read as far as its records are whole.</summary>
internal sealed class OperationLog
{
    private const int HeadLength = 41;

    private readonly List<long> _ends = [];

    public OperationLog(byte[] log)
    {
        var operations = new List<Operation>();
        int at = 0;
        while (at + HeadLength <= log.Length)
        {
            ReadOnlySpan<byte> head = log.AsSpan(at, HeadLength);
            int end = at + 4 + BinaryPrimitives.ReadInt32LittleEndian(head);
            if (end > log.Length)
                break;
            int first = BinaryPrimitives.ReadInt32LittleEndian(head[29..]);
            int second = BinaryPrimitives.ReadInt32LittleEndian(head[33..]);
            int data = BinaryPrimitives.ReadInt32LittleEndian(head[37..]);
            int body = at + HeadLength;
            operations.Add(new Operation(
                (OperationKind)head[4],
                BinaryPrimitives.ReadInt32LittleEndian(head[5..]),
                BinaryPrimitives.ReadInt32LittleEndian(head[9..]),
                BinaryPrimitives.ReadInt64LittleEndian(head[13..]),
                BinaryPrimitives.ReadInt64LittleEndian(head[21..]),
                Encoding.UTF8.GetString(log, body, first),
                Encoding.UTF8.GetString(log, body + first, second),
                log.AsMemory(body + first + second, data)));
            at = end;
            _ends.Add(at);
        }

        Operations = operations;
    }

    public IReadOnlyList<Operation> Operations { get; }

    /// <summary>How many operations lie wholly in the first <paramref name="bytes"/> of the log.</summary>
    public int CountAt(long bytes)
    {
        int index = _ends.BinarySearch(bytes);
        return index >= 0 ? index + 1 : ~index;
    }
}
