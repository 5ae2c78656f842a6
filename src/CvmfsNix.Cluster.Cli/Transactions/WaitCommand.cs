using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Transactions;

/// <summary><c>wait</c>: until a revision is served here and by the replicas asked for.</summary>
internal static class WaitCommand
{
    public static Command Build(CommandContext context)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: true);
        var revision = new Option<ulong?>("--revision") { Description = "Revision to wait for", HelpName = "N" };
        Option<string?> transaction = Arguments.Transaction("Wait for the revision of this transaction");
        var condition = new Option<string?>("--for") { Description = "replicas=N, all or site:NAME (default: this node)", HelpName = "WHICH" };
        condition.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string?>() is { } text && !Arguments.IsReplicaCondition(text))
                r.AddError($"--for: \"{text}\" is none of replicas=N, all, site:NAME.");
        });
        var command = new Command("wait", "Wait until a revision is served") { repository, revision, transaction, condition };
        context.Check(command, (r, complain) =>
        {
            if ((r.GetResult(revision) is null) == (r.GetResult(transaction) is null))
                complain("wait takes either --revision or --transaction.");
        });
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            var request = new WaitRequest
            {
                Repository = parse.GetValue(repository),
                Revision = parse.GetValue(revision) ?? 0,
                Transaction = parse.GetValue(transaction) ?? "",
                ForReplicas = parse.GetValue(condition) ?? "",
            };
            WaitReply reply = await WaitCondition.WaitAsync(control, request, cancellationToken);
            if (context.Json(parse))
                context.Terminal.Json(new WaitJson(reply.Repository, reply.Revision, ReplicaViews.Revisions(reply)), JsonShapes.Plain.WaitJson);
            else
                context.Terminal.Line($"{reply.Repository} revision {reply.Revision}, {reply.Replicas.Count} replicas");
            return ExitCode.Done;
        });
        return command;
    }
}
