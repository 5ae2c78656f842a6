namespace CvmfsNix.Cluster.Actors.Administration.Audit;

/// <summary>The changes operators asked for, kept in the journal's database for all nodes. Thread-safe.</summary>
public interface IAuditLog
{
    /// <summary>Writes down that something is about to be done; durable on return. Nothing may be done when it fails.</summary>
    /// <returns>The entry's number.</returns>
    /// <exception cref="Hosting.PublishingException">AuditUnavailable.</exception>
    Task<long> BeginAsync(AuditEntry entry, CancellationToken ct);

    /// <summary>Writes down what became of it.</summary>
    /// <exception cref="Hosting.PublishingException">AuditUnavailable.</exception>
    Task EndAsync(long number, string outcome, CancellationToken ct);

    /// <summary>The entries after a number, oldest first.</summary>
    /// <exception cref="Hosting.PublishingException">AuditUnavailable.</exception>
    Task<IReadOnlyList<AuditEntry>> AfterAsync(long number, int max, CancellationToken ct);

    /// <summary>The newest entries, oldest of them first.</summary>
    /// <exception cref="Hosting.PublishingException">AuditUnavailable.</exception>
    Task<IReadOnlyList<AuditEntry>> LastAsync(int max, CancellationToken ct);
}
