namespace CvmfsNix.Cluster.Nix.StorePaths;

/// <summary>A text that should be a store path or a store directory is none; the message quotes it and says which rule it breaks.</summary>
public sealed class StorePathFormatException : FormatException
{
    private const int ShownLength = 300;

    public StorePathFormatException(string text, string problem)
        : base($"\"{(text.Length <= ShownLength ? text : string.Concat(text.AsSpan(0, ShownLength), "…"))}\" is not a store path: {problem}.")
    {
        Text = text;
    }

    /// <summary>The refused text.</summary>
    public string Text { get; }
}
