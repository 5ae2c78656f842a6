namespace CvmfsNix.Cluster.Recovery;

/// <summary>A backup, restore or repair cannot be done, and nothing was changed unless the message says so.</summary>
/// <param name="code">Stable name, one of <see cref="RecoveryCodes"/>.</param>
/// <param name="message">What is wrong.</param>
/// <param name="what">The file, folder or repository it is about.</param>
/// <param name="hint">What to do.</param>
/// <param name="inner">The cause.</param>
public sealed class RecoveryException(string code, string message, string what, string hint, Exception? inner = null) : Exception(message, inner)
{
    public string Code => code;

    public string What => what;

    public string Hint => hint;
}

/// <summary>Stable names of what can be wrong.</summary>
public static class RecoveryCodes
{
    /// <summary>Something lies where the backup is to be written, or another backup is being written there.</summary>
    public const string BackupExists = "BackupExists";

    /// <summary>The backup is torn, changed or not of this program.</summary>
    public const string BackupDamaged = "BackupDamaged";

    /// <summary>A newer program wrote the backup.</summary>
    public const string BackupVersion = "BackupVersion";

    /// <summary>What the journal needs is not in the store: there would be no complete backup, or restore.</summary>
    public const string StoreIncomplete = "StoreIncomplete";

    /// <summary>A file of the store has other bytes than its name says.</summary>
    public const string StoreDamaged = "StoreDamaged";

    /// <summary>The key files are not in the folder.</summary>
    public const string KeysMissing = "KeysMissing";

    /// <summary>The target has other keys of the same repository.</summary>
    public const string KeysDiffer = "KeysDiffer";

    /// <summary>Data folder or database hold something.</summary>
    public const string TargetNotEmpty = "TargetNotEmpty";

    /// <summary>The journal cannot be used as it is.</summary>
    public const string JournalUnusable = "JournalUnusable";

    /// <summary>The journal's database does not answer.</summary>
    public const string JournalUnavailable = "JournalUnavailable";

    /// <summary>A file cannot be read or written.</summary>
    public const string FileFailed = "FileFailed";

    /// <summary>A node runs, or may run, on what is to be changed.</summary>
    public const string NodeRuns = "NodeRuns";

    /// <summary>There is no such repository.</summary>
    public const string UnknownRepository = "UnknownRepository";
}
