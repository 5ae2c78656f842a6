namespace CvmfsNix.Cluster.Nix.Files;

/// <summary>The operating system refused an operation on a path; the message names both and the reason it gave.</summary>
public sealed class DiskAccessException : IOException
{
    public DiskAccessException(string operation, ReadOnlySpan<byte> path, int errorNumber)
        : base($"Cannot {operation} {DiskPath.Show(path)}: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errorNumber)} (errno {errorNumber}).")
    {
        Path = path.ToArray();
        ErrorNumber = errorNumber;
    }

    public ReadOnlyMemory<byte> Path { get; }

    /// <summary>The <c>errno</c> of the failed call.</summary>
    public int ErrorNumber { get; }
}
