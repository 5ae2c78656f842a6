namespace CvmfsNix.Cluster.Cli.Output;

internal sealed record BackupJson(
    string Backup,
    string TakenAt,
    string Store,
    long Events,
    IReadOnlyList<string> Keys,
    IReadOnlyList<BackupRepositoryJson> Repositories,
    long TransactionsLeftOut,
    long DurationMs);

internal sealed record BackupRepositoryJson(string Repository, ulong Revision, string RootHash, long Sequence, long Objects, long Bytes);

internal sealed record RecoverJson(
    string Repository,
    bool Done,
    long FromSequence,
    long ToSequence,
    int Restored,
    int Filled,
    ulong Revision,
    string RootHash,
    IReadOnlyList<ulong> LostRevisions,
    ulong ContinuesAfter);
