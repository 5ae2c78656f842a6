using System.Text.Json;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Administration.Audit;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>Who asks for a command.</summary>
/// <param name="Credential">Whose credential the call came with.</param>
/// <param name="Origin">Where the call came from, and who the caller says to be.</param>
/// <param name="Confirmed">The operator knows that it destroys something.</param>
public sealed record CommandCaller(Caller Credential, string Origin, bool Confirmed);

/// <summary>Runs commands: asks for the right to, for the confirmation, and writes every change down before it is made.</summary>
public sealed class CommandRunner(IAdminAccess access, IServiceProvider services, IPublishingCore core, TimeProvider time, ILogger<CommandRunner> log)
{
    private const int ArgumentsShownMax = 2_000;

    /// <summary>Runs a command to its end.</summary>
    /// <exception cref="NodeException">Unauthorized, Forbidden, WrongArguments, NotConfirmed.</exception>
    /// <exception cref="PublishingException">What the command says; AuditUnavailable: it was not done.</exception>
    public async Task<bool> RunAsync(string palette, CommandDefinition command, IReadOnlyList<string> words, CommandCaller caller, ICommandOutput output, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(command);
        ArgumentNullException.ThrowIfNull(caller);
        string credential = access.Admit(caller.Credential, command.Scope);
        CommandArguments arguments = CommandParser.Parse(palette, command, words);
        if (command.Destructive && !caller.Confirmed)
        {
            throw new NodeException(new NodeError(
                NodeCodes.NotConfirmed, $"{palette} {command.Name} cannot be taken back: it has to be confirmed.", $"{palette} {command.Name}", "Say --yes, or answer the question in a terminal."));
        }

        if (command.Scope == AdminScope.Read)
            return await command.Run(arguments, output, ct);
        return await WrittenDownAsync($"{palette} {command.Name}", arguments, $"{credential} {caller.Origin}".TrimEnd(), () => command.Run(arguments, output, ct), ct);
    }

    /// <summary>Whether this node has an audit log: a core without a journal has none.</summary>
    public bool WritesDown => services.GetService(typeof(IAuditLog)) is not null;

    /// <summary>Does something that changes the cluster, with an entry in the audit log.</summary>
    /// <param name="command">As an operator would say it.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="who">Credential and origin.</param>
    /// <param name="change">Does it.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<bool> WrittenDownAsync(string command, CommandArguments arguments, string who, Func<Task<bool>> change, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(change);
        var audit = (IAuditLog)services.GetService(typeof(IAuditLog))!;
        string told = JsonSerializer.Serialize(arguments.Values);
        if (told.Length > ArgumentsShownMax)
            told = told[..ArgumentsShownMax];
        long number = await audit.BeginAsync(new AuditEntry(0, time.GetUtcNow(), who, core.Address, command, told, AuditEntry.Begun), ct);
        string outcome = AuditEntry.Done;
        try
        {
            bool positive = await change();
            outcome = positive ? AuditEntry.Done : "no";
            return positive;
        }
        catch (OperationCanceledException)
        {
            outcome = "cancelled";
            throw;
        }
        catch (Exception e)
        {
            outcome = ErrorMapping.Describe(e).Code;
            throw;
        }
        finally
        {
            log.LogInformation("Operator {Who}: {Command} {Arguments}: {Outcome}", who, command, told, outcome);
            await EndAsync(audit, number, outcome);
        }
    }

    // The change is made or refused whatever happens here; the entry that it was begun stands.
    private async Task EndAsync(IAuditLog audit, long number, string outcome)
    {
        try
        {
            await audit.EndAsync(number, outcome, CancellationToken.None);
        }
        catch (PublishingException e)
        {
            log.LogError("The outcome {Outcome} of entry {Number} is not in the audit log: {Problem}", outcome, number, e.Message);
        }
    }
}
