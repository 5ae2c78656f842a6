namespace CvmfsNix.Cluster.Node;

/// <summary>What the program's exit says.</summary>
public static class ExitCodes
{
    public const int Done = 0;

    /// <summary>Asked, and the answer is no.</summary>
    public const int No = 1;

    /// <summary>Wrong command line or configuration; nothing was tried.</summary>
    public const int WrongUsage = 2;

    /// <summary>The node lost its cluster and wants its supervisor to start it again.</summary>
    public const int LostCluster = 5;
}
