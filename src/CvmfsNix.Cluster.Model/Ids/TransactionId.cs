using System.Diagnostics.CodeAnalysis;

namespace CvmfsNix.Cluster.Model.Ids;

/// <summary>
/// Names one intended change to a repository. Chosen by the builder as a UUID of version 7, so that it carries its creation time
/// (milliseconds): whoever holds an id can tell whether it is older than what the ledgers remember.
/// </summary>
public readonly record struct TransactionId : IComparable<TransactionId>
{
    private TransactionId(Guid value) => Value = value;

    /// <summary>The UUID. Empty only for the default value, which names nothing.</summary>
    public Guid Value { get; }

    /// <summary>The creation time inside the id, to the millisecond.</summary>
    public DateTimeOffset CreatedAt
    {
        get
        {
            Span<byte> bytes = stackalloc byte[16];
            Value.TryWriteBytes(bytes, bigEndian: true, out _);
            long milliseconds = 0;
            foreach (byte b in bytes[..6])
                milliseconds = (milliseconds << 8) | b;
            return milliseconds > MaxMilliseconds ? DateTimeOffset.MaxValue : DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
        }
    }

    private static readonly long MaxMilliseconds = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    /// <summary>A new id that carries <paramref name="now"/>.</summary>
    public static TransactionId Create(DateTimeOffset now) => new(Guid.CreateVersion7(now));

    /// <summary>Takes a UUID of version 7.</summary>
    /// <exception cref="FormatException">It has another version.</exception>
    public static TransactionId From(Guid value) =>
        IsVersion7(value) ? new TransactionId(value) : throw new FormatException($"Transaction id {value} is no UUID of version 7.");

    /// <summary>Reads the usual text of 36 characters.</summary>
    /// <exception cref="FormatException">It is no UUID of version 7.</exception>
    public static TransactionId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is no transaction id: expected a UUID of version 7, as in 0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b.");

    /// <summary>As <see cref="Parse"/>, with false instead of an error.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out TransactionId id)
    {
        bool valid = Guid.TryParseExact(text, "D", out var value) && IsVersion7(value);
        id = valid ? new TransactionId(value) : default;
        return valid;
    }

    public int CompareTo(TransactionId other) => Value.CompareTo(other.Value);

    public static bool operator <(TransactionId left, TransactionId right) => left.CompareTo(right) < 0;

    public static bool operator >(TransactionId left, TransactionId right) => left.CompareTo(right) > 0;

    public static bool operator <=(TransactionId left, TransactionId right) => left.CompareTo(right) <= 0;

    public static bool operator >=(TransactionId left, TransactionId right) => left.CompareTo(right) >= 0;

    /// <summary>The usual text of 36 characters, lower case.</summary>
    public override string ToString() => Value.ToString("D");

    private static bool IsVersion7(Guid value) => value.Version == 7 && value.Variant is >= 8 and <= 11;
}
