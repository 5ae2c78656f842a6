namespace CvmfsNix.Cluster.Fuzz.Running;

/// <summary>An input broke something; the message says what, where the input is, and how to see it again.</summary>
public sealed class FuzzFailedException(string target, string file, string what, Exception? inner = null)
    : Exception($"{target}: {what}\n  again: CvmfsNix.Cluster.Fuzz --target {target} --input {file}", inner)
{
    /// <summary>The input, as a file.</summary>
    public string File { get; } = file;
}
