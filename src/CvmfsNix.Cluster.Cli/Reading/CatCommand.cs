using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cvmfs.Catalogs;

namespace CvmfsNix.Cluster.Cli.Reading;

/// <summary><c>cat</c>: the content of one file to standard output.</summary>
internal static class CatCommand
{
    public static Command Build(CommandContext context)
    {
        var path = new Argument<string>("PATH") { Description = "File in the repository" };
        var access = new RepositoryAccess();
        var command = new Command("cat", "Print a file's content, checked down from the repository's public key") { path };
        access.AddTo(context, command);
        context.Handle(command, async (parse, cancellationToken) =>
        {
            RepositoryPath file = RepositoryAccess.ParsePath(parse.GetRequiredValue(path));
            return await access.ReadAsync(
                context,
                parse,
                async reader =>
                {
                    CatalogEntry entry = await reader.FindAsync(file, cancellationToken) ?? throw RepositoryAccess.NotFound(file);
                    if (entry.Type != EntryType.Regular)
                        throw new CliException("NotAFile", $"{file} is no regular file.", file.ToString(), "use cvmfsnix get for directories, ls -l for links");
                    await using Stream output = context.Terminal.OpenRawOutput();
                    await reader.CopyToAsync(entry, output, cancellationToken);
                    await output.FlushAsync(cancellationToken);
                    return ExitCode.Done;
                },
                cancellationToken);
        });
        return command;
    }
}
