namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>
/// What stores ask of each other on the data port, below <c>/peer/FQRN/</c>. Every answer names the store that gave it: a node may have come back
/// with an empty folder between two requests.
/// <code>
/// POST have    names, one a line → those that are not there, one a line; the others survive a power loss
/// POST pack    an item pack      → nothing; all of it survives a power loss
/// POST fetch   names, one a line → an item pack of those that are there
/// GET  applied                   → sequence number of the newest event that the store has applied, in decimal
/// GET  certificates              → fingerprints of the certificates whose keys its node has, one a line
/// </code>
/// </summary>
public static class PeerPaths
{
    /// <summary>Asks for what is missing.</summary>
    public const string Have = "have";

    /// <summary>Hands items over.</summary>
    public const string Pack = "pack";

    /// <summary>Gets items.</summary>
    public const string Fetch = "fetch";

    /// <summary>Asks how far the store follows the journal.</summary>
    public const string Applied = "applied";

    /// <summary>Asks which manifests its node could sign.</summary>
    public const string Certificates = "certificates";

    /// <summary>Header of every answer: the id of the store.</summary>
    public const string StoreHeader = "CvmfsNix-Store";

    /// <summary>Most names of one question.</summary>
    public const int NamesMax = 32_768;
}
