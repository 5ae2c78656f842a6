namespace CvmfsNix.Cluster.Store.Records;

/// <summary>A record file is torn or holds what it must not; the message says which file, which item and what is wrong.</summary>
public sealed class RecordFormatException : Exception
{
    public RecordFormatException(string file, string problem, Exception? inner = null)
        : base($"Record file {file}: {problem}.", inner)
    {
        File = file;
    }

    /// <summary>The file, by its digest or role.</summary>
    public string File { get; }
}
