using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Node.Replication;

/// <summary>What a replica asks for at once: one <see cref="WantedItem"/> a line, and how long it would wait for what is on its way here.</summary>
/// <param name="Items">Each once, in the order asked for.</param>
/// <param name="Wait">How long to wait for items that are not here yet.</param>
public sealed record FetchQuestion(IReadOnlyList<WantedItem> Items, TimeSpan Wait)
{
    /// <summary>Most names of one question.</summary>
    public const int NamesMax = 16_384;

    /// <summary>Most bytes of one question.</summary>
    public const int BytesMax = 2 << 20;

    /// <summary>Query parameter: milliseconds to wait.</summary>
    public const string WaitParameter = "wait";

    private const int WaitMillisecondsMax = 10_000;

    /// <summary>Reads a question.</summary>
    /// <exception cref="InvalidDataException">A line names nothing, or there are too many.</exception>
    public static async Task<FetchQuestion> ReadAsync(Stream body, string? wait, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(body, Encoding.ASCII);
        var seen = new HashSet<StoreItem>();
        var items = new List<WantedItem>();
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (!WantedItem.TryParse(line, out WantedItem wanted))
                throw new InvalidDataException($"Line {items.Count + 1} names neither an object nor a record file.");
            if (items.Count == NamesMax)
                throw new InvalidDataException($"More than {NamesMax} names are asked for at once.");
            if (seen.Add(wanted.Item))
                items.Add(wanted);
        }

        int milliseconds = 0;
        if (wait is not null && (!int.TryParse(wait, NumberStyles.None, CultureInfo.InvariantCulture, out milliseconds) || milliseconds > WaitMillisecondsMax))
            throw new InvalidDataException($"'{WaitParameter}' must be a number of milliseconds, at most {WaitMillisecondsMax}.");
        return new FetchQuestion(items, TimeSpan.FromMilliseconds(milliseconds));
    }
}
