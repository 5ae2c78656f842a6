using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>A preloaded library, compiled on the spot, that makes processes believe in another time of day; it can be moved while they run.</summary>
internal sealed class ShiftedClock
{
    private readonly string _file;
    private readonly string _library;

    private ShiftedClock(string library, string file) => (_library, _file) = (library, file);

    /// <summary>Environment of a process that is to believe it.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["LD_PRELOAD"] = _library,
        ["TEST_CLOCK_OFFSET_FILE"] = _file,
    };

    /// <summary>Compiles the library into <paramref name="folder"/>; skips the test where that cannot be done.</summary>
    public static async Task<ShiftedClock> CompileAsync(string folder, CancellationToken cancellationToken)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64, "the clock is moved by preloading, which is written for 64-bit Linux");
        string? compiler = (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(p => Path.Combine(p, "gcc")).FirstOrDefault(File.Exists);
        Assert.SkipWhen(compiler is null, "gcc is not installed");
        var clock = new ShiftedClock(Path.Combine(folder, "clock.so"), Path.Combine(folder, "clock.offset"));
        clock.Shift(TimeSpan.Zero);
        using Process gcc = Process.Start(new ProcessStartInfo(compiler!)
        {
            ArgumentList = { "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", clock._library, Path.Combine(AppContext.BaseDirectory, "BadInput", "clock.c"), "-ldl" },
            RedirectStandardError = true,
        })!;
        string errors = await gcc.StandardError.ReadToEndAsync(cancellationToken);
        await gcc.WaitForExitAsync(cancellationToken);
        Assert.True(gcc.ExitCode == 0, errors);
        return clock;
    }

    /// <summary>From now on it is this much later (or earlier) than it is.</summary>
    public void Shift(TimeSpan offset)
    {
        // By rename: a process reads it at every look at the clock.
        File.WriteAllText(_file + ".new", ((long)offset.TotalSeconds).ToString(CultureInfo.InvariantCulture));
        File.Move(_file + ".new", _file, overwrite: true);
    }
}
