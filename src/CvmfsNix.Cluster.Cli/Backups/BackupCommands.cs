using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Recovery;
using CvmfsNix.Cluster.Recovery.Backups;
using CvmfsNix.Cluster.Recovery.Restoring;

namespace CvmfsNix.Cluster.Cli.Backups;

/// <summary><c>backup</c> and <c>restore</c>: run on the machine of a core node, beside it or without it.</summary>
internal static class BackupCommands
{
    public static Command BuildBackup(CommandContext context)
    {
        var destination = new Argument<string>("BACKUP") { Description = "Folder to make; it appears when the backup is complete" };
        var place = new NodePlace();
        var store = new Option<BackupStore>("--store") { Description = "copy: with all objects; reference: with the list of them", HelpName = "copy|reference", DefaultValueFactory = _ => BackupStore.Copy };
        var withKeys = new Option<bool>("--with-keys") { Description = "Take the key files along; whoever has the backup can then publish" };
        var command = new Command("backup", "Back up a core node or its cluster while it runs; run it on the machine of a core node") { destination, store, withKeys };
        place.AddTo(command);
        context.Handle(command, (parse, cancellationToken) => GuardAsync(async () =>
        {
            long began = context.Clock.GetTimestamp();
            string folder = Path.GetFullPath(parse.GetRequiredValue(destination));
            var request = new BackupRequest
            {
                Destination = folder,
                DataDirectory = place.Data(parse),
                Journal = place.Journal(parse),
                Store = parse.GetValue(store),
                KeysDirectory = parse.GetValue(withKeys) ? place.Keys(parse) : null,
            };
            BackupManifest manifest = await new BackupRun(request, context.Clock, context.Terminal.Note).RunAsync(cancellationToken);
            Print(context, parse, folder, manifest, began);
        }));
        return command;
    }

    public static Command BuildRestore(CommandContext context)
    {
        var backup = new Argument<string>("BACKUP") { Description = "Folder of the backup" };
        var place = new NodePlace();
        var objects = new Option<string?>("--objects") { Description = "Where the objects of a backup by reference are: DATA/cvmfs of another store or of a mirror", HelpName = "DIR" };
        var journalOnly = new Option<bool>("--journal-only") { Description = "Restore the journal alone: the stores are still there" };
        var command = new Command("restore", "Restore a backup into an empty data folder and journal, all of it or nothing") { backup, objects, journalOnly };
        place.AddTo(command);
        context.Handle(command, (parse, cancellationToken) => GuardAsync(async () =>
        {
            long began = context.Clock.GetTimestamp();
            string folder = Path.GetFullPath(parse.GetRequiredValue(backup));
            var request = new RestoreRequest
            {
                Backup = folder,
                DataDirectory = place.Data(parse),
                JournalOnly = parse.GetValue(journalOnly),
                Journal = place.Journal(parse),
                KeysDirectory = place.Keys(parse),
                ObjectsDirectory = parse.GetValue(objects) is { } given ? Path.GetFullPath(given) : null,
            };
            BackupManifest manifest = await new RestoreRun(request, context.Terminal.Note).RunAsync(cancellationToken);
            if (manifest.Keys.Count == 0)
                context.Terminal.Note($"the backup has no keys: put the key files of its repositories into {request.KeysDirectory} before the node is started");
            Print(context, parse, folder, manifest, began);
        }));
        return command;
    }

    /// <summary>Runs something that reads and writes a node's files; its refusals become those of the contract.</summary>
    internal static async Task<int> GuardAsync(Func<Task> run)
    {
        try
        {
            await run();
            return ExitCode.Done;
        }
        catch (RecoveryException e)
        {
            throw new CliException(e.Code, e.Message, e.What, e.Hint, e.Code == RecoveryCodes.JournalUnavailable ? ExitCode.Unknown : ExitCode.No, e);
        }
    }

    private static void Print(CommandContext context, ParseResult parse, string folder, BackupManifest manifest, long began)
    {
        var json = new BackupJson(
            folder,
            manifest.TakenAt,
            manifest.Store == BackupStore.Copy ? "copy" : "reference",
            manifest.Events,
            [.. manifest.Keys.Select(k => k.Name)],
            [.. manifest.Repositories.Select(r => new BackupRepositoryJson(r.Repository, r.Revision, r.RootHash, r.Sequence, r.Objects.Count, r.Objects.Bytes))],
            manifest.TransactionsLeftOut,
            (long)context.Clock.GetElapsedTime(began).TotalMilliseconds);
        if (context.Json(parse))
        {
            context.Terminal.Json(json, JsonShapes.Plain.BackupJson);
            return;
        }

        context.Terminal.Line($"backup       {folder}, of {json.TakenAt}, {json.Events} events, objects by {json.Store}");
        foreach (BackupRepositoryJson repository in json.Repositories)
            context.Terminal.Line($"repository   {repository.Repository}, revision {repository.Revision}, {repository.Objects} objects, {Terminal.Bytes(repository.Bytes)}");
    }
}
