namespace CvmfsNix.Cluster.Actors.Administration.Audit;

/// <summary>A change an operator asked for.</summary>
/// <param name="Number">Counts entries of the cluster, ascending; numbers may be left out.</param>
/// <param name="At">When it was asked for, by the clock of the node that was asked.</param>
/// <param name="Who">Name of the credential and of the caller's machine.</param>
/// <param name="Node">The node that was asked.</param>
/// <param name="Command">Palette and command.</param>
/// <param name="Arguments">As they were given, secrets left out.</param>
/// <param name="Outcome"><see cref="Begun"/>, <see cref="Done"/>, or the code of an error.</param>
public sealed record AuditEntry(long Number, DateTimeOffset At, string Who, string Node, string Command, string Arguments, string Outcome)
{
    /// <summary>Written before anything is done. It stays when the node ended before it could tell what became of it.</summary>
    public const string Begun = "begun";

    /// <summary>It was done.</summary>
    public const string Done = "done";
}
