using System.Collections;
using System.Net.Sockets;
using System.Reflection;
using System.Runtime.InteropServices;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Management;
using CvmfsNix.Cluster.Node.Mirrors;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>The program: commands, exit codes, and the life of one node.</summary>
public static class NodeProgram
{
    /// <summary>Version as <c>--version</c> prints it.</summary>
    public static string Version => typeof(NodeProgram).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    /// <summary>Runs a command line.</summary>
    /// <param name="arguments">Without the program's name.</param>
    /// <param name="environment">Names and values.</param>
    /// <param name="output">Results only.</param>
    /// <param name="errors">Everything else.</param>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, IDictionary environment, TextWriter output, TextWriter errors)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(errors);
        if (arguments.Contains("--version"))
        {
            await output.WriteLineAsync("cvmfsnix-node " + Version);
            return ExitCodes.Done;
        }

        if (arguments.Contains("--help") || arguments.Contains("-h"))
        {
            await output.WriteAsync(HelpText.Write());
            return ExitCodes.Done;
        }

        if (arguments is ["healthcheck", ..])
            return await HealthCheck.RunAsync([.. arguments.Skip(1)], errors);

        if (NodeOptionsBinder.Bind(arguments, environment, out IReadOnlyList<string> mistakes) is not { } options)
        {
            foreach (string mistake in mistakes)
                await errors.WriteLineAsync("cvmfsnix-node: " + mistake);
            return ExitCodes.WrongUsage;
        }

        try
        {
            using DataFolder folder = DataFolder.Open(options.Folders.Data);
            IReadOnlyList<string> problems = StartChecks.Problems(options, folder.Repositories);
            foreach (string problem in problems)
                await errors.WriteLineAsync("cvmfsnix-node: " + problem);
            return problems.Count > 0 ? ExitCodes.WrongUsage : await RunAsync(options, folder, output);
        }
        catch (Exception e) when (StartProblem(e) is { } problem)
        {
            await errors.WriteLineAsync("cvmfsnix-node: " + problem);
            return ExitCodes.WrongUsage;
        }
    }

    private static async Task<int> RunAsync(NodeOptions options, DataFolder folder, TextWriter output)
    {
        AccessTokens tokens = options.Mirror is null ? Tokens(options) : AccessTokens.Off;
        bool asked = false;
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Volatile.Write(ref asked, true));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => Volatile.Write(ref asked, true));
        if (options.Mirror is not null)
        {
            await using WebApplication mirror = MirrorHost.Build(options, folder, output);
            await mirror.StartAsync();
            await mirror.WaitForShutdownAsync();
            return ExitCodes.Done;
        }

        await using WebApplication app = NodeHost.Build(options, folder, tokens, output, services => services.AddEmbeddedCore(options));
        await app.StartAsync();
        var core = app.Services.GetRequiredService<IPublishingCore>();
        var lifetime = app.Services.GetRequiredService<IHostApplicationLifetime>();

        // The core comes back to its cluster by itself; when it gives that up, only a new process can.
        _ = core.WhenTerminated.ContinueWith(_ => lifetime.StopApplication(), TaskScheduler.Default);
        await app.WaitForShutdownAsync();
        if (core.WhenTerminated.IsFaulted)
            await core.WhenTerminated;
        return Volatile.Read(ref asked) ? ExitCodes.Done : ExitCodes.LostCluster;
    }

    // The operator's token is made in any case, so that switching tokens on later needs nothing but the switch.
    private static AccessTokens Tokens(NodeOptions options)
    {
        string admin = AdminToken.LoadOrCreate(options.Folders.Keys);
        return options.Access.TokenFile is { } file ? AccessTokens.Of(AccessTokens.ReadFile(file), admin) : AccessTokens.Off;
    }

    // What is wrong with the machine or the configuration, in a sentence; null for a defect of the program, which keeps its trace.
    private static string? StartProblem(Exception e) => e switch
    {
        DataFolderException or InvalidDataException or PublishingException or JournalException or StartRefusedException => e.Message,
        IOException or UnauthorizedAccessException => e.Message,
        SocketException => $"an address cannot be opened: {e.Message}",
        _ => null,
    };
}
