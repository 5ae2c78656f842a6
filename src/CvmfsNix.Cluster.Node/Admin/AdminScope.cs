namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>What a credential has to allow for a command.</summary>
public enum AdminScope
{
    /// <summary>Looks.</summary>
    Read,

    /// <summary>Changes how the cluster runs: pauses a mirror, hands the leadership over, aborts a transaction.</summary>
    Operate,

    /// <summary>Changes what there is, or takes something away for good.</summary>
    Admin,
}
