using CvmfsNix.Cluster.Fuzz.Running;
using CvmfsNix.Cluster.Fuzz.Targets;

namespace CvmfsNix.Cluster.Fuzz;

/// <summary>Entry point of the fuzzer; <c>--help</c> tells its switches.</summary>
public static class Program
{
    /// <summary>Exit codes: 0 nothing found, 1 something found, 2 wrong command line.</summary>
    public static int Main(string[] args)
    {
        if (args is ["--help" or "-h"])
        {
            Console.WriteLine(FuzzOptions.Help);
            return 0;
        }

        if (FuzzOptions.Parse(args, out string problem) is not { } options)
        {
            Console.Error.WriteLine($"{problem}\n\n{FuzzOptions.Help}");
            return 2;
        }

        IReadOnlyList<FuzzTarget> targets = FuzzTargets.Named(options.Target);
        if (targets.Count == 0)
        {
            Console.Error.WriteLine($"There is no target '{options.Target}'. There are: all, {string.Join(", ", FuzzTargets.All.Select(t => t.Name))}.");
            return 2;
        }

        SqliteTarget.IsAlone = true;
        return Run(targets, options);
    }

    private static int Run(IReadOnlyList<FuzzTarget> targets, FuzzOptions options)
    {
        var failed = false;
        long inputs = 0;
        foreach (FuzzTarget target in targets)
        {
            try
            {
                FuzzReport report = new FuzzRun(target, options with { Seconds = options.Seconds / targets.Count }).Run();
                inputs += report.Inputs;
                Console.WriteLine(report);
            }
            catch (FuzzFailedException e)
            {
                failed = true;
                Console.WriteLine(e.Message);
            }
        }

        Console.WriteLine($"{inputs} inputs in all, seed {options.Seed}, {(failed ? "FAILED" : "nothing found")}");
        return failed ? 1 : 0;
    }
}
