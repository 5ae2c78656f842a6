using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace CvmfsNix.Cluster.Cli.Output;

/// <summary>
/// Where a command writes: the result and nothing else to standard output, everything that is said on the way to standard
/// error. Whole lines, safe to call from several threads.
/// </summary>
internal sealed class Terminal(TextWriter output, TextWriter error, Func<Stream> rawOutput, bool errorIsTerminal)
{
    private readonly Lock _gate = new();

    /// <summary>Progress may be drawn with cursor movements.</summary>
    public bool ErrorIsTerminal => errorIsTerminal;

    /// <summary>For help and version texts.</summary>
    public TextWriter Output => output;

    /// <inheritdoc cref="Output"/>
    public TextWriter Error => error;

    /// <summary>The process's own standard streams.</summary>
    public static Terminal OfProcess() => new(
        new StreamWriter(Console.OpenStandardOutput(), new System.Text.UTF8Encoding(false), 16 * 1024) { AutoFlush = true },
        Console.Error,
        Console.OpenStandardOutput,
        !Console.IsErrorRedirected);

    /// <summary>Bytes of a result, for <c>cat</c>. The caller owns the stream.</summary>
    public Stream OpenRawOutput() => rawOutput();

    /// <summary>One line of the result.</summary>
    public void Line(string text)
    {
        lock (_gate)
        {
            output.Write(text);
            output.Write('\n');
        }
    }

    /// <summary>One JSON document, on one line.</summary>
    public void Json<T>(T value, JsonTypeInfo<T> shape) => Line(JsonSerializer.Serialize(value, shape));

    /// <summary>Something to know that is no result.</summary>
    public void Note(string text)
    {
        lock (_gate)
            error.WriteLine($"cvmfsnix: {text}");
    }

    /// <summary>Something that may be wrong although the command goes on.</summary>
    public void Warning(string text) => Note($"warning: {text}");

    /// <summary>Says what happened, where, and what to do; as JSON on standard output where JSON was asked for.</summary>
    public void Failure(CliException failure, bool json)
    {
        if (json)
        {
            Json(ErrorJson.Of(failure), JsonShapes.Plain.ErrorJson);
            return;
        }

        lock (_gate)
        {
            error.WriteLine($"cvmfsnix: error: {failure.Message} ({failure.Code})");
            if (failure.What.Length > 0)
                error.WriteLine($"  about: {failure.What}");
            if (failure.Hint.Length > 0)
                error.WriteLine($"  hint: {failure.Hint}");
        }
    }

    /// <summary>RFC 3339 in UTC with whole seconds, <c>2026-01-31T12:00:00Z</c>.</summary>
    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>A byte count for people, <c>1.4 MB</c>.</summary>
    public static string Bytes(long bytes)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB"];
        double value = bytes;
        int unit = 0;
        while (value >= 1000 && unit < units.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        return unit == 0 ? $"{bytes} B" : string.Create(CultureInfo.InvariantCulture, $"{value:0.0} {units[unit]}");
    }
}
