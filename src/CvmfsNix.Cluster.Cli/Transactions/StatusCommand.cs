using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Transactions;

/// <summary><c>status</c>: of the node and its cluster, or of one transaction.</summary>
internal static class StatusCommand
{
    public static Command Build(CommandContext context)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        Option<string?> transaction = Arguments.Transaction("Show what became of this transaction");
        var command = new Command("status", "Show the cluster, or what became of a transaction") { repository, transaction };
        context.Check(command, (r, complain) =>
        {
            if ((r.GetResult(repository) is null) != (r.GetResult(transaction) is null))
                complain("--repo and --transaction go together.");
        });
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            if (parse.GetValue(transaction) is { } id)
                await ShowTransactionAsync(context, parse, control, parse.GetValue(repository)!, id, cancellationToken);
            else
                await ShowNodeAsync(context, parse, control, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>The name of a state in the contract.</summary>
    public static string StateName(TransactionState state) => state switch
    {
        TransactionState.Open => "open",
        TransactionState.Sealed => "sealed",
        TransactionState.Committed => "committed",
        TransactionState.Rejected => "rejected",
        TransactionState.Aborted => "aborted",
        TransactionState.Expired => "expired",
        _ => "unknown",
    };

    /// <summary>The JSON shape of a node's status.</summary>
    public static StatusJson ToJson(NodeStatus s) => new(
        s.Node,
        [.. s.Roles],
        s.Leader.Length == 0 ? null : s.Leader,
        s.Epoch,
        [.. s.Members.Select(m => new MemberJson(m.Address, [.. m.Roles], m.Status, m.Reachable))],
        [.. s.Repositories.Select(r => new RepositoryStatusJson(r.Repository, r.Revision, r.RootHash, r.Queued, r.InFlight, r.OpenTransactions, Text(r.Problem), Text(r.Warning)))],
        [.. s.Replicas.Select(ReplicaViews.ToJson)]);

    private static string? Text(string text) => text.Length == 0 ? null : text;

    private static async Task ShowTransactionAsync(
        CommandContext context, ParseResult parse, ControlPlane control, string repository, string id, CancellationToken cancellationToken)
    {
        var request = new GetTransactionRequest { Repository = repository, Transaction = id };
        TransactionOutcome outcome = await control.AskAsync((client, options) => client.GetTransactionAsync(request, options), cancellationToken);
        ErrorBodyJson? reason = outcome.Reason is { } why && outcome.State == TransactionState.Rejected
            ? new ErrorBodyJson(why.Code, why.Message, why.What, why.Hint, null)
            : null;
        string status = StateName(outcome.State);
        if (context.Json(parse))
        {
            ulong? revision = outcome.State == TransactionState.Committed ? outcome.Revision : null;
            context.Terminal.Json(new TransactionJson(outcome.Transaction, status, revision, reason), JsonShapes.Plain.TransactionJson);
            return;
        }

        context.Terminal.Line(outcome.State switch
        {
            TransactionState.Committed => $"{status} in revision {outcome.Revision}",
            TransactionState.Rejected when reason is not null => $"{status}: {reason.Message} ({reason.Code})",
            _ => status,
        });
    }

    private static async Task ShowNodeAsync(CommandContext context, ParseResult parse, ControlPlane control, CancellationToken cancellationToken)
    {
        NodeStatus status = await control.AskAsync((client, options) => client.GetStatusAsync(new GetStatusRequest(), options), cancellationToken);
        StatusJson json = ToJson(status);
        if (context.Json(parse))
        {
            context.Terminal.Json(json, JsonShapes.Plain.StatusJson);
            return;
        }

        Terminal terminal = context.Terminal;
        terminal.Line($"node    {json.Node} ({string.Join(", ", json.Roles)})");
        terminal.Line($"leader  {json.Leader ?? "none"}, epoch {json.Epoch}");
        foreach (MemberJson member in json.Members)
            terminal.Line($"member  {member.Address} ({string.Join(", ", member.Roles)}) {member.Status}{(member.Reachable ? "" : ", unreachable")}");
        foreach (RepositoryStatusJson r in json.Repositories)
        {
            terminal.Line($"repo    {r.Repository} revision {r.Revision}, {r.Queued} queued, {r.InFlight} in flight, {r.OpenTransactions} open");
            if ((r.Problem ?? r.Warning) is { } trouble)
                terminal.Warning($"{r.Repository}: {trouble}");
        }

        foreach (ReplicaJson r in json.Replicas)
            terminal.Line($"replica {r.Repository} {r.Replica} ({r.Site}) {r.State} at revision {r.Revision}");
    }
}
