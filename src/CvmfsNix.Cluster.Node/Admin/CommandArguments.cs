using System.Globalization;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Gateway;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>What a command was given, by the names of its arguments.</summary>
public sealed class CommandArguments(IReadOnlyDictionary<string, string> values)
{
    /// <summary>As it was given, in the order of the names.</summary>
    public IReadOnlyDictionary<string, string> Values => values;

    /// <summary>Whether it was given.</summary>
    public bool Has(string name) => values.ContainsKey(name);

    /// <summary>Its text; null when it was not given.</summary>
    public string? Text(string name) => values.GetValueOrDefault(name);

    /// <summary>The text of a mandatory argument.</summary>
    public string Required(string name) => values[name];

    /// <summary>A whole number of at least <paramref name="min"/>.</summary>
    /// <exception cref="NodeException">WrongArguments.</exception>
    public long Number(string name, long otherwise, long min = 0)
    {
        if (Text(name) is not { } text)
            return otherwise;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number >= min
            ? number
            : throw Wrong(name, $"{text} is no whole number of at least {min}.");
    }

    /// <summary>The repository of the argument <c>repo</c>.</summary>
    /// <exception cref="NodeException">InvalidRepositoryName.</exception>
    public string Repository() => Requests.Repository(Required("repo"));

    /// <summary>An argument that makes no sense.</summary>
    public static NodeException Wrong(string name, string message) => new(new NodeError(NodeCodes.WrongArguments, $"{name}: {message}", name, "help tells what the command takes."));
}
