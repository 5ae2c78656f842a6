namespace CvmfsNix.Cluster.Actors.Repositories;

/// <summary>
/// How many paths the next part of a removal takes. Publishes wait for a part, so it is to be short; but each looks at all paths whatever it
/// removes, and in a large repository most of the time would go to looking if parts were as short as in a small one. Only decisions; not thread-safe.
/// </summary>
internal sealed class RemovalPace
{
    /// <summary>The fewest paths of a part.</summary>
    public const int Fewest = 100;

    /// <summary>The most paths of a part.</summary>
    public const int Most = 10_000;

    /// <summary>For so long publishes may wait, or twice as long as looking takes when that is more.</summary>
    private static readonly TimeSpan Part = TimeSpan.FromSeconds(1);

    private (int Asked, double Seconds)? _last;
    private double _looking;

    /// <summary>Paths of the next part.</summary>
    public int AtOnce { get; private set; } = Fewest;

    /// <summary>A part is over.</summary>
    /// <param name="asked">How many paths it was to remove.</param>
    /// <param name="took">How long publishes waited for it.</param>
    public void Took(int asked, TimeSpan took)
    {
        double seconds = took.TotalSeconds;
        if (_last is not { } last)
        {
            _last = (asked, seconds);
            // What it took tells nothing until a part of another size took something else.
            AtOnce = Clamp(asked * 2, asked);
            return;
        }

        double each = last.Asked != asked ? (seconds - last.Seconds) / (asked - last.Asked) : (seconds - _looking) / asked;
        each = Math.Max(0, each);
        _looking = Math.Clamp(seconds - (each * asked), 0, Math.Min(seconds, last.Seconds));
        _last = (asked, seconds);
        double longest = Math.Max(Part.TotalSeconds, 2 * _looking);
        AtOnce = Clamp(each > 0 ? (longest - _looking) / each : Most, asked);
    }

    // One measurement says little: it is followed by no more than half the way or twice.
    private static int Clamp(double wanted, int asked) => (int)Math.Clamp(Math.Clamp(wanted, asked / 2.0, asked * 2.0), Fewest, Most);
}
