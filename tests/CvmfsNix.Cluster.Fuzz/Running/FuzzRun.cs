using System.Diagnostics;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Fuzz.Mutation;
using CvmfsNix.Cluster.Fuzz.Targets;

namespace CvmfsNix.Cluster.Fuzz.Running;

/// <summary>
/// Tries inputs on one target: first its seeds as they are, then changed ones. Every input is judged for the documented exceptions
/// only, time, allocation, and what the target itself demands.
/// </summary>
public sealed class FuzzRun(FuzzTarget target, FuzzOptions options)
{
    private const int GoodMax = 256;

    private readonly OutcomeShapes _outcomes = new();
    // Starting points: good inputs, and inputs that were refused in a way of their own.
    private readonly List<byte[]> _good = [];
    private readonly List<byte[]> _bad = [];
    private long _accepted;
    private bool _lastWasAccepted;
    private double _allocatedShare;

    /// <summary>Runs to the end of the time or of the inputs.</summary>
    /// <exception cref="FuzzFailedException">An input broke something.</exception>
    public FuzzReport Run()
    {
        string trace = Path.Combine(options.Failures, $"fuzz-{target.Name}-{Environment.ProcessId}.last");
        Directory.CreateDirectory(options.Failures);
        ReportDeadRuns();
        using var last = new LastInput(trace, target.LengthMax);
        using var watchdog = new Watchdog(options.Patience, GiveUp);
        if (options.Input is { } file)
        {
            TryTwice(File.ReadAllBytes(file), last, watchdog);
            return new FuzzReport(target.Name, 1, _accepted, _outcomes.Count, TimeSpan.Zero, _allocatedShare);
        }

        long inputs = 0;
        var clock = Stopwatch.StartNew();
        foreach (byte[] seed in Seeds())
        {
            TryTwice(seed, last, watchdog);
            (_lastWasAccepted ? _good : _bad).Add(seed);
            inputs++;
        }

        for (; inputs < options.InputsMax && clock.Elapsed.TotalSeconds < options.Seconds; inputs++)
        {
            var random = new Random(Mix(options.Seed, inputs));
            List<byte[]> pool = _bad.Count == 0 || (_good.Count > 0 && random.Next(3) > 0) ? _good : _bad;
            byte[] input = target.Mutate(pool[random.Next(pool.Count)], new Mutator(random, pool, target.Words, target.LengthMax));
            bool isNew = Try(input, last, watchdog);
            if (isNew)
                Keep(input);
            if (_lastWasAccepted)
                StartFrom(input, isNew, random);
            else if (isNew)
                _bad.Add(input);
        }

        return new FuzzReport(target.Name, inputs, _accepted, _outcomes.Count, clock.Elapsed, _allocatedShare);
    }

    // Not HashCode, which differs from process to process.
    private static int Mix(int seed, long input)
    {
        ulong x = (ulong)input * 0x9E3779B97F4A7C15 ^ (uint)seed;
        x = (x ^ x >> 31) * 0xBF58476D1CE4E5B9;
        return (int)(x ^ x >> 29);
    }

    private IEnumerable<byte[]> Seeds()
    {
        string? folder = CorpusFolder();
        IEnumerable<byte[]> kept = folder is not null && Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)
            : [];
        return target.Seeds().Concat(kept).Where(seed => seed.Length <= target.LengthMax);
    }

    // What is allocated is only counted the second time: the first also pays for what is made once.
    private void TryTwice(byte[] input, LastInput last, Watchdog watchdog)
    {
        Try(input, last, watchdog, isCounted: false);
        Try(input, last, watchdog);
    }

    /// <summary>Tries one input; true when it ended in a way no other did.</summary>
    private bool Try(byte[] input, LastInput last, Watchdog watchdog, bool isCounted = true)
    {
        last.Set(input);
        var random = new Random(Fnv(input));
        watchdog.Begin(input);
        string outcome;
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            outcome = target.Run(input, random);
        }
        catch (Exception e)
        {
            watchdog.End();
            throw new FuzzFailedException(target.Name, Save(input, "failure"), e is OracleException ? e.Message : e.ToString(), e);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        watchdog.End();
        if (!isCounted)
            return false;
        long bound = target.Allocation.For(input.Length);
        if (allocated > bound)
            throw new FuzzFailedException(target.Name, Save(input, "failure"), $"an input of {input.Length} bytes made it allocate {allocated} bytes, more than {bound}");
        _allocatedShare = Math.Max(_allocatedShare, (double)allocated / bound);
        _lastWasAccepted = outcome.StartsWith(FuzzTarget.Accepted, StringComparison.Ordinal);
        _accepted += _lastWasAccepted ? 1 : 0;
        return _outcomes.IsNew(outcome);
    }

    // Good inputs that drift away from the seeds, one change after the other, reach what no single change does.
    private void StartFrom(byte[] input, bool isNew, Random random)
    {
        if (isNew || _good.Count < GoodMax)
            _good.Add(input);
        else
            _good[random.Next(_good.Count / 2, _good.Count)] = input;
    }

    private void Keep(byte[] input)
    {
        if (CorpusFolder() is { } folder)
        {
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(Path.Combine(folder, NameOf(input)), input);
        }
    }

    private string? CorpusFolder() => options.Corpus is null ? null : Path.Combine(options.Corpus, target.Name);

    private void GiveUp(byte[] input)
    {
        Console.WriteLine(new FuzzFailedException(target.Name, Save(input, "hang"), $"an input of {input.Length} bytes takes longer than {options.Patience}").Message);
        Environment.Exit(1);
    }

    private void ReportDeadRuns()
    {
        foreach (string file in Directory.EnumerateFiles(options.Failures, $"fuzz-{target.Name}-*.last"))
        {
            string process = Path.GetFileNameWithoutExtension(file).Split('-')[^1];
            if (!Directory.Exists("/proc/" + process) && LastInput.Left(file) is { } input)
                Console.WriteLine($"{target.Name}: a run before died on this input: {Save(input, "crash")}");
        }
    }

    private string Save(byte[] input, string what)
    {
        string file = Path.GetFullPath(Path.Combine(options.Failures, $"fuzz-{target.Name}-{what}-{NameOf(input)}.bin"));
        File.WriteAllBytes(file, input);
        return file;
    }

    private static string NameOf(byte[] input) => Convert.ToHexStringLower(SHA256.HashData(input).AsSpan(0, 8));

    private static int Fnv(byte[] input)
    {
        uint hash = 2166136261;
        foreach (byte b in input)
            hash = (hash ^ b) * 16777619;
        return (int)hash;
    }
}
