using System.Diagnostics;
using System.Runtime.InteropServices;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>The preloaded library that records a process's file operations, compiled on the spot.</summary>
internal sealed class Recorder
{
    private Recorder(string library, string root, string log)
    {
        Library = library;
        Root = root;
        Log = log;
    }

    public string Library { get; }

    /// <summary>Only what happens below this folder is recorded.</summary>
    public string Root { get; }

    public string Log { get; }

    /// <summary>Bytes of the log; all operations that have returned are in it.</summary>
    public long LogLength => File.Exists(Log) ? new FileInfo(Log).Length : 0;

    /// <summary>Environment of a process to be recorded.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["LD_PRELOAD"] = Library,
        ["CVMFSNIX_SHIM_ROOT"] = Root,
        ["CVMFSNIX_SHIM_LOG"] = Log,
    };

    /// <summary>Compiles the library into <paramref name="folder"/>; skips the test where that cannot be done.</summary>
    public static async Task<Recorder> CompileAsync(string folder, string root, CancellationToken cancellationToken)
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64,
            "the recorder of file operations is written for Linux on x86-64");
        string? compiler = (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(p => Path.Combine(p, "gcc")).FirstOrDefault(File.Exists);
        Assert.SkipWhen(compiler is null, "gcc is not installed");
        string library = Path.Combine(folder, "recorder.so");
        using Process gcc = Process.Start(new ProcessStartInfo(compiler!)
        {
            ArgumentList =
            {
                "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library,
                Path.Combine(AppContext.BaseDirectory, "PowerLoss", "shim.c"), "-ldl", "-lpthread",
            },
            RedirectStandardError = true,
        })!;
        string errors = await gcc.StandardError.ReadToEndAsync(cancellationToken);
        await gcc.WaitForExitAsync(cancellationToken);
        Assert.True(gcc.ExitCode == 0, errors);
        return new Recorder(library, root, Path.Combine(folder, "operations.log"));
    }

    /// <summary>Runs a program to its end, recorded.</summary>
    public async Task RunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments);
        foreach ((string name, string value) in Environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        await process.WaitForExitAsync(cancellationToken);
        Assert.Equal(0, process.ExitCode);
    }
}
