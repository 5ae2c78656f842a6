using System.Runtime.InteropServices;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Pbm;
using CvmfsNix.Cluster.Cli.Publishing;

using var interruption = new CancellationTokenSource();
int interruptedCode = ExitCode.Interrupted;

// The first signal lets the command clean up (an unsealed transaction is taken back); the second ends the process at once.
void Stop(PosixSignalContext signal, int code)
{
    if (interruption.IsCancellationRequested)
        return;
    signal.Cancel = true;
    interruptedCode = code;
    interruption.Cancel();
}

using PosixSignalRegistration sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, s => Stop(s, ExitCode.Interrupted));
using PosixSignalRegistration sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, s => Stop(s, ExitCode.Terminated));

var context = new CommandContext(
    Terminal.OfProcess(), new GlobalOptions(Environment.GetEnvironmentVariable), TimeProvider.System, () => Console.In);
int exit = await CommandLineProgram.RunAsync(PbmProgram.ByName(args), context, () => interruptedCode, interruption.Token);
await BuilderTraces.EndAsync();
return interruption.IsCancellationRequested && exit != ExitCode.Done ? interruptedCode : exit;
