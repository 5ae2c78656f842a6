using System.Text;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>A reader of text. The bytes become text either one to one or as UTF-8, by their last bit, so that both odd letters and torn ones occur.</summary>
public abstract class TextTarget : FuzzTarget
{
    public override IReadOnlyList<byte[]> Words => [.. TextWords.Select(Encoding.UTF8.GetBytes)];

    /// <summary>Pieces of the format.</summary>
    protected virtual IEnumerable<string> TextWords => [];

    /// <summary>Good texts.</summary>
    protected abstract IEnumerable<string> TextSeeds();

    public override IEnumerable<byte[]> Seeds() => TextSeeds().Select(Encoding.UTF8.GetBytes);

    public override string Run(byte[] input, Random random)
    {
        ArgumentNullException.ThrowIfNull(input);
        bool latin = input.Length > 0 && (input[^1] & 0x80) != 0;
        return RunText((latin ? Encoding.Latin1 : Encoding.UTF8).GetString(input), random);
    }

    /// <summary>As <see cref="Run"/>.</summary>
    protected abstract string RunText(string text, Random random);
}
