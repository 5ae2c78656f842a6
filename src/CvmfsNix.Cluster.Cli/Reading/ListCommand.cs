using System.CommandLine;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;

namespace CvmfsNix.Cluster.Cli.Reading;

/// <summary>
/// <c>ls</c>. A file or link is listed itself; of a directory its children; with <c>-R</c> the directory itself and
/// everything below it, parents before children, names in byte order.
/// </summary>
internal static class ListCommand
{
    public static Command Build(CommandContext context)
    {
        var path = new Argument<string>("PATH") { Description = "Path in the repository", DefaultValueFactory = _ => "/" };
        var detailed = new Option<bool>("-l") { Description = "Modes, owners, sizes, times" };
        var recursive = new Option<bool>("-R") { Description = "Everything below the directory too" };
        var digest = new Option<bool>("--digest") { Description = "SHA-256 of every file's content (reads all of it)" };
        var access = new RepositoryAccess();
        var command = new Command("ls", "List a repository's content, checked down from its public key") { path, detailed, recursive, digest };
        access.AddTo(context, command);
        context.Handle(command, async (parse, cancellationToken) =>
        {
            RepositoryPath start = RepositoryAccess.ParsePath(parse.GetRequiredValue(path));
            bool all = parse.GetValue(recursive);
            return await access.ReadAsync(
                context,
                parse,
                async reader =>
                {
                    await foreach (CatalogEntry entry in EntriesAsync(reader, start, all, cancellationToken))
                    {
                        string? sha256 = parse.GetValue(digest) && entry.Type == EntryType.Regular && !entry.IsExternal
                            ? await DigestAsync(reader, entry, cancellationToken)
                            : null;
                        if (context.Json(parse))
                        {
                            context.Terminal.Json(EntryView.ToJson(entry, sha256), JsonShapes.Plain.EntryJson);
                            continue;
                        }

                        string name = all ? entry.Path.ToString() : EntryView.Text(entry.Path.Name, out _);
                        context.Terminal.Line(EntryView.ToText(entry, name.Length == 0 ? "/" : name, parse.GetValue(detailed), sha256));
                    }

                    return ExitCode.Done;
                },
                cancellationToken);
        });
        return command;
    }

    private static async IAsyncEnumerable<CatalogEntry> EntriesAsync(
        RepositoryReader reader, RepositoryPath start, bool all, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        CatalogEntry entry = await reader.FindAsync(start, cancellationToken) ?? throw RepositoryAccess.NotFound(start);
        if (entry.Type != EntryType.Directory)
        {
            yield return entry;
            yield break;
        }

        IAsyncEnumerable<CatalogEntry> entries = all
            ? reader.WalkAsync(start, includeHidden: false, cancellationToken)
            : reader.ListAsync(start, includeHidden: false, cancellationToken);
        await foreach (CatalogEntry found in entries)
            yield return found;
    }

    private static async Task<string> DigestAsync(RepositoryReader reader, CatalogEntry entry, CancellationToken cancellationToken)
    {
        using var sha256 = SHA256.Create();
        await using (var sink = new CryptoStream(Stream.Null, sha256, CryptoStreamMode.Write))
            await reader.CopyToAsync(entry, sink, cancellationToken);
        return Convert.ToHexStringLower(sha256.Hash!);
    }
}
