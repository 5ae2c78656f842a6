using System.Diagnostics;
using System.Globalization;

namespace CvmfsNix.Cluster.Cli.Running;

/// <summary>
/// What Nix is told so that it takes <c>/nix</c> for its store although nothing there can be written. Nix 2.17 and newer can open a store
/// read-only. Older ones get a <c>/nix/var</c> of their own with a copy of the database, which costs its size in memory and works with every version.
/// </summary>
/// <param name="PrivateState">Whether <c>/nix/var</c> is to be private and writable.</param>
/// <param name="Environment">Variables to set, or to take away where null.</param>
internal sealed record StoreOffer(bool PrivateState, IReadOnlyDictionary<string, string?> Environment)
{
    private static readonly Version ReadOnlyStores = new(2, 17);

    /// <summary>No offer: programs run, Nix is not told anything.</summary>
    public static StoreOffer None { get; } = new(false, new Dictionary<string, string?>());

    /// <summary>The offer for a version of Nix.</summary>
    /// <param name="nix">Null where no Nix was found.</param>
    /// <param name="config"><c>NIX_CONFIG</c> as it is set.</param>
    public static StoreOffer For(Version? nix, string? config)
    {
        Dictionary<string, string?> environment = new()
        {
            // The machine's own settings may point elsewhere.
            ["NIX_STORE_DIR"] = null,
            ["NIX_STATE_DIR"] = null,
            ["NIX_LOG_DIR"] = null,
        };
        if (nix is null || nix < ReadOnlyStores)
        {
            environment["NIX_REMOTE"] = "local";
            return new StoreOffer(true, environment);
        }

        environment["NIX_REMOTE"] = "local?read-only=true";
        environment["NIX_CONFIG"] = (string.IsNullOrEmpty(config) ? "" : config.TrimEnd('\n') + "\n") + "extra-experimental-features = read-only-local-store";
        return new StoreOffer(false, environment);
    }

    /// <summary>Reads <c>nix (Nix) 2.8.0</c>; null where it is no such text.</summary>
    public static Version? ParseVersion(string text)
    {
        string last = text.Trim().Split(' ')[^1];
        string[] numbers = last.Split('.', 3);
        return numbers.Length >= 2
            && int.TryParse(numbers[0], NumberStyles.None, CultureInfo.InvariantCulture, out int major)
            && int.TryParse(string.Concat(numbers[1].TakeWhile(char.IsAsciiDigit)), NumberStyles.None, CultureInfo.InvariantCulture, out int minor)
            ? new Version(major, minor)
            : null;
    }

    /// <summary>The version of the <c>nix-store</c> in PATH; null where there is none.</summary>
    public static async Task<Version?> FindVersionAsync(CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo("nix-store", ["--version"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        try
        {
            using Process? process = Process.Start(start);
            if (process is null)
                return null;
            process.StandardInput.Close();
            Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
            string text = await process.StandardOutput.ReadToEndAsync(cancellationToken);
            await errors;
            await process.WaitForExitAsync(cancellationToken);
            return ParseVersion(text);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
