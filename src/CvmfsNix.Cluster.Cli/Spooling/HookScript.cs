using System.Reflection;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Spooling;

/// <summary>The script that builders set as <c>post-build-hook</c>: POSIX sh, no other program than those of the system and <c>nix-store</c>.</summary>
internal static class HookScript
{
    private const string Resource = "post-build-hook.sh";

    /// <summary>The script for a spool folder.</summary>
    /// <param name="spool">The folder, absolute.</param>
    /// <param name="strict">Whether a build stops when it cannot be handed over.</param>
    public static string For(string spool, bool strict)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)
            ?? throw new CliException("InternalError", "A script is missing from the program.", Resource, "install the program anew", ExitCode.Unknown);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd()
            .Replace("@STRICT_REMARK@", strict ? ", unless it cannot be handed over (--strict)" : "", StringComparison.Ordinal)
            .Replace("@FAILED@", strict ? "1" : "0", StringComparison.Ordinal)
            .Replace("@SPOOL@", Quoted(spool), StringComparison.Ordinal);
    }

    // Inside the braces of a parameter expansion, double quotes are what every shell reads alike.
    private static string Quoted(string text) =>
        "\"" + string.Concat(text.Select(static c => c is '"' or '\\' or '$' or '`' ? "\\" + c : c.ToString())) + "\"";
}
