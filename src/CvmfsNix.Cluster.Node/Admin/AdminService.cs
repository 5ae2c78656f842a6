using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Contracts.Admin;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Hosting;
using Grpc.Core;
using Microsoft.Extensions.Hosting;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>The gRPC service <c>Admin</c>: what operators' shells talk to. Errors are mapped by <see cref="Control.CallInterceptor"/>.</summary>
public sealed class AdminService(CommandCatalog catalog, CommandRunner runner, IAdminAccess access, IPublishingCore core, IHostApplicationLifetime lifetime) : Contracts.Admin.Admin.AdminBase
{
    private const int ValuesMax = 200;
    private const int CallerLengthMax = 100;

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <inheritdoc/>
    public override Task<ListPalettesReply> ListPalettes(ListPalettesRequest request, ServerCallContext context)
    {
        access.Admit(CallerOf(context), AdminScope.Read);
        var reply = new ListPalettesReply { Node = core.Address, Version = NodeProgram.Version };
        reply.Palettes.AddRange(catalog.Palettes.Select(ToMessage));
        return Task.FromResult(reply);
    }

    /// <inheritdoc/>
    public override async Task<CompleteReply> Complete(CompleteRequest request, ServerCallContext context)
    {
        access.Admit(CallerOf(context), AdminScope.Read);
        CommandDefinition command = catalog.Find(request.Palette, request.Command);
        var reply = new CompleteReply();
        if (command.Arguments.FirstOrDefault(a => a.Name == request.Argument) is not { } argument)
            return reply;
        IEnumerable<string> values = argument.Suggested;
        if (argument.Live is { } live)
        {
            try
            {
                values = values.Concat(await live(CommandParser.Glance(command, request.Words), context.CancellationToken));
            }
            catch (Exception e) when (e is PublishingException or NodeException)
            {
                // Nothing to suggest; the command itself will say what is wrong.
            }
        }

        reply.Values.AddRange(values.Where(v => v.StartsWith(request.Begun, StringComparison.Ordinal)).Distinct(StringComparer.Ordinal).Take(ValuesMax));
        return reply;
    }

    /// <inheritdoc/>
    public override async Task Execute(ExecuteRequest request, IServerStreamWriter<ExecuteReply> responseStream, ServerCallContext context)
    {
        (CommandDefinition command, IReadOnlyList<string> words) = Resolve(request);
        string origin = string.Concat(request.Caller.Where(c => !char.IsControl(c)).Take(CallerLengthMax));
        var caller = new CommandCaller(CallerOf(context), $"{origin} from {context.Peer}".Trim(), request.Confirmed);
        // What goes on for ever must not keep the node from stopping.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        using var output = new Output(responseStream);
        bool positive = await runner.RunAsync(
            request.Palette, command, words, caller, output, command.Endless ? ended.Token : context.CancellationToken);
        await responseStream.WriteAsync(new ExecuteReply { End = new End { Negative = !positive } });
    }

    // Names of several words may be written with blanks, as people say them.
    private (CommandDefinition Command, IReadOnlyList<string> Words) Resolve(ExecuteRequest request)
    {
        if (request.Words.Count > 0 && request.Palette.Length > 0
            && catalog.Palettes.FirstOrDefault(p => p.Name == request.Palette)?.Commands.FirstOrDefault(c => c.Name == $"{request.Command}-{request.Words[0]}") is { } joined)
            return (joined, [.. request.Words.Skip(1)]);
        return (catalog.Find(request.Palette, request.Command), request.Words);
    }

    private static Caller CallerOf(ServerCallContext context) => AccessControl.CallerOf(context.GetHttpContext());

    private static Contracts.Admin.Palette ToMessage(Palette palette)
    {
        var message = new Contracts.Admin.Palette { Name = palette.Name, Description = palette.Description };
        foreach (CommandDefinition c in palette.Commands)
        {
            var command = new Command { Name = c.Name, Description = c.Description, Destructive = c.Destructive, Endless = c.Endless, Scope = AdminScopes.NameOf(c.Scope) };
            foreach (CommandArgument a in c.Arguments)
            {
                var argument = new Argument { Name = a.Name, Description = a.Description, Mandatory = a.Mandatory, Flag = a.Flag, Live = a.Live is not null };
                argument.Switches.AddRange(a.Switches);
                argument.Suggested.AddRange(a.Suggested);
                command.Arguments.Add(argument);
            }

            message.Commands.Add(command);
        }

        return message;
    }

    // Handlers may write from several threads.
    private sealed class Output(IServerStreamWriter<ExecuteReply> stream) : ICommandOutput, IDisposable
    {
        private readonly SemaphoreSlim _one = new(1, 1);

        public Task LineAsync(string text, JsonObject json) => WriteAsync(new Line { Text = text, Json = json.ToJsonString(Plain) });

        public Task NoteAsync(string text) => WriteAsync(new Line { Text = text });

        public void Dispose() => _one.Dispose();

        private async Task WriteAsync(Line line)
        {
            await _one.WaitAsync();
            try
            {
                await stream.WriteAsync(new ExecuteReply { Line = line });
            }
            finally
            {
                _one.Release();
            }
        }
    }
}
