using System.Security.Cryptography;
using System.Text;

namespace CvmfsNix.Cluster.Contracts.Tracing;

/// <summary>
/// A span of the trace of a publish. The trace is the transaction's: its id is the transaction id without hyphens, and ids of spans are derived from it and from what
/// was done. So nothing has to be handed on from process to process, or kept in the journal, for all of them to tell one story.
/// </summary>
/// <param name="Transaction">A UUID.</param>
/// <param name="Name">What was done.</param>
/// <param name="Instance">Who did it, where several may do it; empty where only one can.</param>
/// <param name="StartedAt">By the clock of the machine that did it.</param>
/// <param name="EndedAt">By the same clock.</param>
public sealed record TraceSpan(Guid Transaction, string Name, string Instance, DateTimeOffset StartedAt, DateTimeOffset EndedAt)
{
    /// <summary>Name of the span above all others: a builder's publish.</summary>
    public const string Root = "publish";

    private const int SpanIdLength = 8;

    /// <summary>Name of the span it belongs to; null for the root.</summary>
    public string? Parent { get; init; } = Root;

    /// <summary>For people, and to search for.</summary>
    public IReadOnlyDictionary<string, string> Attributes { get; init; } = new Dictionary<string, string>();

    /// <summary>It failed or was refused.</summary>
    public bool Failed { get; init; }

    /// <summary>32 hexadecimal digits.</summary>
    public string TraceId => Convert.ToHexStringLower(Transaction.ToByteArray(bigEndian: true));

    /// <summary>16 hexadecimal digits.</summary>
    public string SpanId => Derived(Name, Instance);

    /// <summary>The same of the span above; empty for the root.</summary>
    public string ParentId => Parent is null ? "" : Derived(Parent, "");

    private string Derived(string name, string instance)
    {
        byte[] text = [.. Transaction.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes($"{name}\n{instance}")];
        return Convert.ToHexStringLower(SHA256.HashData(text).AsSpan(0, SpanIdLength));
    }
}
