namespace CvmfsNix.Cluster.Node.Errors;

/// <summary>Codes the node answers with beside those of the publishing core and the store.</summary>
public static class NodeCodes
{
    /// <summary>No session of this transaction here: never begun, expired, or begun on another node.</summary>
    public const string TransactionNotOpen = nameof(TransactionNotOpen);

    /// <summary>The request itself is malformed.</summary>
    public const string InvalidRequest = nameof(InvalidRequest);

    /// <summary>There is no such palette or command.</summary>
    public const string UnknownCommand = nameof(UnknownCommand);

    /// <summary>A command got arguments it cannot use; nothing was tried.</summary>
    public const string WrongArguments = nameof(WrongArguments);

    /// <summary>A command that cannot be taken back was not confirmed; nothing was tried.</summary>
    public const string NotConfirmed = nameof(NotConfirmed);

    /// <summary>A tree is malformed.</summary>
    public const string InvalidTree = nameof(InvalidTree);

    /// <summary>An object pack is malformed.</summary>
    public const string InvalidPack = nameof(InvalidPack);

    /// <summary>An uploaded archive is not what its name says, or no archive.</summary>
    public const string InvalidArchive = nameof(InvalidArchive);

    /// <summary>A narinfo is malformed, or does not fit what was uploaded.</summary>
    public const string InvalidNarInfo = nameof(InvalidNarInfo);

    /// <summary>The archive that a narinfo names was not uploaded to this node.</summary>
    public const string ArchiveMissing = nameof(ArchiveMissing);

    /// <summary>More bytes than this node could ever take.</summary>
    public const string TooLarge = nameof(TooLarge);

    /// <summary>An upload brought nothing for too long.</summary>
    public const string UploadStalled = nameof(UploadStalled);

    /// <summary>A bound is reached; come back later.</summary>
    public const string Overloaded = nameof(Overloaded);

    /// <summary>The data folder's file system has no headroom left.</summary>
    public const string DiskFull = nameof(DiskFull);

    /// <summary>No or a wrong token.</summary>
    public const string Unauthorized = nameof(Unauthorized);

    /// <summary>The token is good, but not for this.</summary>
    public const string Forbidden = nameof(Forbidden);

    /// <summary>There is no token of that id.</summary>
    public const string UnknownToken = nameof(UnknownToken);

    /// <summary>The same replica opened another stream.</summary>
    public const string ReplicaElsewhere = nameof(ReplicaElsewhere);

    /// <summary>This node does not follow the journal at present; replicas do better elsewhere.</summary>
    public const string NodeLags = nameof(NodeLags);

    /// <summary>This version cannot do it.</summary>
    public const string Unsupported = nameof(Unsupported);

    /// <summary>It did not happen in the time given.</summary>
    public const string Timeout = nameof(Timeout);

    /// <summary>The node is being stopped; others take over.</summary>
    public const string NodeStopping = nameof(NodeStopping);

    /// <summary>A defect of the node; its log holds the details.</summary>
    public const string Internal = nameof(Internal);
}
