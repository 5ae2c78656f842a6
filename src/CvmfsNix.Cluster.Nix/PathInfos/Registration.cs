using System.Globalization;
using System.Runtime.CompilerServices;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>
/// The line form in which Nix registers paths (<c>nix-store --dump-db</c> prints it, <c>--load-db</c> reads it). Per path:
/// full path, NAR hash, NAR size, full path of the deriver or an empty line, number of references, then one full path each.
/// It carries no signatures and no content address.
/// </summary>
public static class Registration
{
    /// <summary>
    /// Reads one path after the other, in constant memory. The hash is 64 hexadecimal digits, or any form of
    /// <see cref="NarHash.Parse"/> as other tools write it. References are returned sorted. A path that comes twice is returned twice.
    /// </summary>
    /// <exception cref="RegistrationFormatException">A line is not what belongs there.</exception>
    public static async IAsyncEnumerable<PathInfo> ReadAsync(
        Stream registration, StoreDirectory directory, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(registration);
        ArgumentNullException.ThrowIfNull(directory);
        using BoundedLineReader lines = new(registration);
        while (await lines.ReadAsync(cancellationToken) is { } first)
        {
            StorePathName path = ParsePath(first, "a store path", lines, directory);
            string hashText = await NextAsync(lines, "the NAR hash", cancellationToken);
            if (!NarHash.TryParseDigest(hashText, out NarHash hash) && !NarHash.TryParse(hashText, out hash))
                throw Problem(lines, hashText, "a SHA-256 NAR hash");
            string sizeText = await NextAsync(lines, "the NAR size", cancellationToken);
            if (!TryParseCount(sizeText, out long size) || size == 0)
                throw Problem(lines, sizeText, "the NAR size, a decimal number above 0");
            string deriverText = await NextAsync(lines, "the deriver", cancellationToken);
            StorePathName? deriver = deriverText.Length == 0 ? null : ParsePath(deriverText, "the deriver's path or nothing", lines, directory);

            string countText = await NextAsync(lines, "the number of references", cancellationToken);
            if (!TryParseCount(countText, out long count))
                throw Problem(lines, countText, "the number of references");
            SortedSet<StorePathName> references = [];
            for (long i = 0; i < count; i++)
            {
                string text = await NextAsync(lines, $"reference {i + 1} of {count}", cancellationToken);
                if (!references.Add(ParsePath(text, $"reference {i + 1} of {count}", lines, directory)))
                    throw new RegistrationFormatException(lines.Line, $"the reference {text} is listed twice");
            }

            yield return new PathInfo
            {
                Path = path,
                NarHash = hash,
                NarSize = size,
                Deriver = deriver,
                References = [.. references],
            };
        }
    }

    /// <summary>Writes what <c>nix-store --load-db</c> reads, in the order given.</summary>
    public static void Write(TextWriter destination, StoreDirectory directory, IEnumerable<PathInfo> infos)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(infos);
        foreach (PathInfo info in infos)
        {
            WriteLine(destination, directory.FullPath(info.Path));
            WriteLine(destination, info.NarHash.ToHex());
            WriteLine(destination, info.NarSize.ToString(CultureInfo.InvariantCulture));
            WriteLine(destination, info.Deriver is { } deriver ? directory.FullPath(deriver) : "");
            WriteLine(destination, info.References.Count.ToString(CultureInfo.InvariantCulture));
            foreach (StorePathName reference in info.References)
                WriteLine(destination, directory.FullPath(reference));
        }
    }

    // The newline is part of the format, whatever the writer is set to.
    private static void WriteLine(TextWriter destination, string text)
    {
        destination.Write(text);
        destination.Write('\n');
    }

    private static async ValueTask<string> NextAsync(BoundedLineReader lines, string expected, CancellationToken cancellationToken) =>
        await lines.ReadAsync(cancellationToken)
        ?? throw new RegistrationFormatException(lines.Line + 1, $"the file ends where {expected} belongs");

    private static StorePathName ParsePath(string text, string expected, BoundedLineReader lines, StoreDirectory directory)
    {
        if (directory.TryParsePath(text, out StorePathName path))
            return path;
        throw Problem(lines, text, $"{expected}, below {directory}");
    }

    private static bool TryParseCount(string text, out long count) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count);

    private static RegistrationFormatException Problem(BoundedLineReader lines, string found, string expected) =>
        new(lines.Line, $"found \"{(found.Length <= 300 ? found : found[..300] + "…")}\", expected {expected}");
}
