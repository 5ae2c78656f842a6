namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>How far an ingest is. Counts only grow.</summary>
/// <param name="PathsDone">Handed in.</param>
/// <param name="PathsTotal">Of the run.</param>
/// <param name="BytesRead">File bytes hashed.</param>
/// <param name="BytesSent">Pack bytes, frames included.</param>
/// <param name="ObjectsSent">Objects in those packs.</param>
public readonly record struct IngestProgress(int PathsDone, int PathsTotal, long BytesRead, long BytesSent, long ObjectsSent);

/// <summary>What an ingest did.</summary>
/// <param name="ObjectsSent">Objects the repository did not have.</param>
/// <param name="BytesRead">File bytes hashed; a file that had to be compressed is counted once, although it is read again when it is large.</param>
/// <param name="BytesSent">Pack bytes, frames included.</param>
/// <param name="BytesStored">Bytes of the objects as stored.</param>
public sealed record IngestResult(long ObjectsSent, long BytesRead, long BytesSent, long BytesStored);
