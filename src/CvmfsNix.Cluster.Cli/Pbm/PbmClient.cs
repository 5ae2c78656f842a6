using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Admin;
using Grpc.Core;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>Talks to the administration service of a node. Every failure leaves it as a <see cref="CliException"/>.</summary>
internal sealed class PbmClient(ControlSettings settings, Terminal terminal, TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan CompletionTime = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan ListTime = TimeSpan.FromSeconds(15);

    private readonly ControlPlane _control = new(settings, terminal, clock);

    private static string Caller { get; } = $"{Environment.UserName}@{Environment.MachineName}";

    /// <summary>The palettes of the node.</summary>
    public Task<ListPalettesReply> PalettesAsync(CancellationToken ct) => AskAsync(
        server => server.Admin.ListPalettesAsync(new ListPalettesRequest(), server.Options(settings.Timeout ?? ListTime, ct)).ResponseAsync, ct);

    /// <summary>Values of an argument that begin with something.</summary>
    public async Task<IReadOnlyList<string>> CompleteAsync(CompleteRequest request, CancellationToken ct) =>
        [.. (await AskAsync(server => server.Admin.CompleteAsync(request, server.Options(CompletionTime, ct)).ResponseAsync, ct)).Values];

    /// <summary>Runs a command; returns whether the answer is yes.</summary>
    public async Task<bool> ExecuteAsync(IReadOnlyList<string> words, bool confirmed, Action<Line> line, CancellationToken ct)
    {
        var request = new ExecuteRequest { Palette = words[0], Command = words.Count > 1 ? words[1] : "", Confirmed = confirmed, Caller = Caller };
        request.Words.AddRange(words.Skip(2));
        bool began = false;
        for (int tries = 1; ; tries++)
        {
            ControlServer server = _control.Current;
            try
            {
                using AsyncServerStreamingCall<ExecuteReply> call = server.Admin.Execute(request, server.Options(settings.Timeout, ct));
                while (await call.ResponseStream.MoveNext(ct))
                {
                    began = true;
                    if (call.ResponseStream.Current.End is { } end)
                        return !end.Negative;
                    line(call.ResponseStream.Current.Line);
                }

                throw new CliException("Broken", $"{server.Address} ended the answer before its end.", server.Address.ToString(), "ask again; if it changes something, look first whether it happened", ExitCode.Unknown);
            }
            catch (RpcException e)
            {
                ct.ThrowIfCancellationRequested();
                CliException failure = RpcFailure.From(e, server.Address);
                // Nothing was begun where nobody answered.
                if (began || !failure.Unreachable || tries >= settings.Servers.Count)
                    throw failure;
                _control.Leave(server);
            }
            catch (Exception e) when (RpcFailure.IsBrokenConnection(e))
            {
                ct.ThrowIfCancellationRequested();
                throw RpcFailure.Broken(e, server.Address);
            }
        }
    }

    public void Dispose() => _control.Dispose();

    private async Task<T> AskAsync<T>(Func<ControlServer, Task<T>> question, CancellationToken ct)
    {
        for (int tries = 1; ; tries++)
        {
            ControlServer server = _control.Current;
            try
            {
                return await question(server);
            }
            catch (RpcException e)
            {
                ct.ThrowIfCancellationRequested();
                CliException failure = RpcFailure.From(e, server.Address);
                if (!failure.Unreachable || tries >= settings.Servers.Count)
                    throw failure;
                _control.Leave(server);
            }
            catch (Exception e) when (RpcFailure.IsBrokenConnection(e))
            {
                ct.ThrowIfCancellationRequested();
                throw RpcFailure.Broken(e, server.Address);
            }
        }
    }
}
