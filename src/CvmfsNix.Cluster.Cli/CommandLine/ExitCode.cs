namespace CvmfsNix.Cluster.Cli.CommandLine;

/// <summary>What the process exits with. Scripts rely on the numbers.</summary>
internal static class ExitCode
{
    /// <summary>Done; for questions: the answer is yes.</summary>
    public const int Done = 0;

    /// <summary>Done, and the answer is no: rejected, conflict, not found; or input data refused with nothing changed.</summary>
    public const int No = 1;

    /// <summary>Wrong command line or configuration; nothing was tried.</summary>
    public const int Usage = 2;

    /// <summary>Not authenticated or not allowed.</summary>
    public const int Refused = 3;

    /// <summary>Unreachable, timed out or not checkable: the outcome is unknown, and the same command with the same transaction is safe.</summary>
    public const int Unknown = 4;

    /// <summary>Ended by SIGINT.</summary>
    public const int Interrupted = 130;

    /// <summary>Ended by SIGTERM.</summary>
    public const int Terminated = 143;

    /// <summary>
    /// The code of several results together: an unknown outcome says more than a refusal, a refusal more than a no.
    /// </summary>
    public static int Worst(int one, int other) => Math.Max(one, other);
}
