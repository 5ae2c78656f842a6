using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;

namespace CvmfsNix.Cluster.Cli.Development;

/// <summary>Hidden helpers of scripts and demonstrations; nothing outside the project may rely on them.</summary>
internal static class DevelopmentCommands
{
    public static Command Build(CommandContext context) =>
        new("dev", "Helpers of the project's own scripts") { Hidden = true, Subcommands = { MakeClosure(context), HashArchive(context) } };

    private static Command MakeClosure(CommandContext context)
    {
        var directory = new Argument<string>("DIR") { Description = "Empty or new folder; the store is made in DIR/nix/store" };
        var command = new Command("make-closure", "Make a small closure of content-addressed store paths, without Nix") { directory };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            ClosureJson closure = await SampleClosure.MakeAsync(parse.GetRequiredValue(directory), cancellationToken);
            if (context.Json(parse))
                context.Terminal.Json(closure, JsonShapes.Plain.ClosureJson);
            else
                context.Terminal.Line(closure.Path);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command HashArchive(CommandContext context)
    {
        var paths = new Argument<string[]>("PATH") { Description = "Files, folders or links", Arity = ArgumentArity.OneOrMore };
        var command = new Command("nar-hash", "Print the NAR hashes of things on disk, a line each") { paths };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            foreach (string path in parse.GetRequiredValue(paths))
            {
                (NarHash hash, long size) = await NarFromDisk.HashAsync(path, cancellationToken);
                if (context.Json(parse))
                    context.Terminal.Json(new NarHashJson(path, hash.ToString(), size), JsonShapes.Plain.NarHashJson);
                else
                    context.Terminal.Line(hash.ToString());
            }

            return ExitCode.Done;
        });
        return command;
    }
}
