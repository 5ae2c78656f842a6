using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Files;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;

namespace CvmfsNix.Cluster.Cli.Reading;

/// <summary>
/// <c>get</c>: copies a file, link or tree out of a repository. The copy is made under a temporary name beside its
/// destination and renamed when it is complete, so that a destination is never half there.
/// </summary>
internal static class GetCommand
{
    public static Command Build(CommandContext context)
    {
        var path = new Argument<string>("PATH") { Description = "File, link or directory in the repository" };
        var destination = new Argument<string>("DEST") { Description = "Name of the copy; into it, where it is an existing directory" };
        var access = new RepositoryAccess();
        var command = new Command("get", "Copy a file or tree, checked down from the repository's public key") { path, destination };
        access.AddTo(context, command);
        context.Handle(command, async (parse, cancellationToken) =>
        {
            RepositoryPath start = RepositoryAccess.ParsePath(parse.GetRequiredValue(path));
            GetJson result = await access.ReadAsync(
                context,
                parse,
                reader => CopyAsync(reader, start, parse.GetRequiredValue(destination), cancellationToken),
                cancellationToken);
            if (context.Json(parse))
                context.Terminal.Json(result, JsonShapes.Plain.GetJson);
            else
                context.Terminal.Line($"{result.Destination}: {result.Files} files, {Terminal.Bytes(result.Bytes)}");
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<GetJson> CopyAsync(RepositoryReader reader, RepositoryPath start, string destination, CancellationToken cancellationToken)
    {
        CatalogEntry entry = await reader.FindAsync(start, cancellationToken) ?? throw RepositoryAccess.NotFound(start);
        byte[] final = BytePath.Of(Path.GetFullPath(destination));
        if (Directory.Exists(destination))
        {
            if (start.IsRoot)
                throw Exists(destination);
            final = BytePath.Combine(final, start.Name.Span);
        }

        if (entry.Type == EntryType.Directory && BytePath.Exists(final))
            throw Exists(BytePath.Show(final));

        byte[] temporary = BytePath.Combine(BytePath.Parent(final), BytePath.Of($".cvmfsnix-get-{Guid.NewGuid():N}"));
        long files = 0;
        long bytes = 0;
        try
        {
            if (entry.Type == EntryType.Directory)
            {
                await foreach (CatalogEntry found in reader.WalkAsync(start, includeHidden: false, cancellationToken))
                    await MakeAsync(found, [.. temporary, .. found.Path.Bytes.Span[start.Bytes.Length..]]);
            }
            else
            {
                await MakeAsync(entry, temporary);
            }

            BytePath.Rename(temporary, final);
        }
        catch (IOException e) when (e is not RepositoryUnreachableException)
        {
            throw new CliException("WriteFailed", e.Message, BytePath.Show(final), "check that the folder exists, can be written and has room", innerException: e);
        }
        finally
        {
            BytePath.RemoveTree(temporary);
        }

        return new GetJson(start.ToString(), BytePath.Show(final), files, bytes);

        async Task MakeAsync(CatalogEntry found, byte[] target)
        {
            switch (found.Type)
            {
                case EntryType.Directory:
                    // Writable by the owner whatever the catalog says, or the tree could neither be filled nor removed.
                    BytePath.MakeDirectory(target);
                    break;
                case EntryType.Symlink:
                    BytePath.MakeSymlink(found.SymlinkTarget.Span, target);
                    files++;
                    break;
                case EntryType.Regular:
                    await using (Stream file = BytePath.CreateFile(target, executable: (found.Mode & 0x40) != 0))
                        await reader.CopyToAsync(found, file, cancellationToken);
                    files++;
                    bytes += found.Size;
                    break;
                default:
                    throw new CliException("NotCopied", $"{found.Path} is a device, pipe or socket.", found.Path.ToString(), "get the directories beside it one by one");
            }
        }
    }

    private static CliException Exists(string destination) =>
        new("DestinationExists", "The destination exists already.", destination, "name a new directory");
}
