using CvmfsNix.Cluster.Cli.CommandLine;

namespace CvmfsNix.Cluster.Cli.Output;

/// <summary>A command cannot give its result: a stable code, what happened, what it is about, and what to do.</summary>
internal sealed class CliException : Exception
{
    public CliException(string code, string message, string what, string hint, int exitCode = CommandLine.ExitCode.No, Exception? innerException = null)
        : base(message, innerException)
    {
        Code = code;
        What = what;
        Hint = hint;
        ExitCode = exitCode;
    }

    /// <summary>Stable name, e.g. <c>UnknownRepository</c>.</summary>
    public string Code { get; }

    /// <summary>The path, transaction, repository, file or server it is about.</summary>
    public string What { get; }

    /// <summary>What to do.</summary>
    public string Hint { get; }

    /// <summary>One of <see cref="CommandLine.ExitCode"/>.</summary>
    public int ExitCode { get; }

    /// <summary>When a server asked to come back; null where it gave no advice.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The same request may succeed a moment later, here or at another server.</summary>
    public bool Transient { get; init; }

    /// <summary>No server was reached at all: nothing answered, nothing was decided.</summary>
    public bool Unreachable { get; init; }

    /// <summary>Wrong command line or configuration: nothing was tried.</summary>
    public static CliException Usage(string message, string what, string hint) =>
        new("CommandLine", message, what, hint, CommandLine.ExitCode.Usage);
}
