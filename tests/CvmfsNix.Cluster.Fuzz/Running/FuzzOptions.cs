using System.Globalization;

namespace CvmfsNix.Cluster.Fuzz.Running;

/// <summary>What to try, and for how long.</summary>
public sealed record FuzzOptions
{
    /// <summary>The switches.</summary>
    public const string Help =
        """
        CvmfsNix.Cluster.Fuzz [--target NAME|all] [--seconds N] [--inputs N] [--seed N] [--corpus DIR] [--input FILE]
          --target   what to fuzz; all shares the time among the targets (default all)
          --seconds  how long, in total (default 60)
          --inputs   stop a target after so many inputs, whatever the time
          --seed     start of the random numbers; the same seed tries the same inputs in the same order (default: by the clock)
          --corpus   folder with one sub-folder per target: its files are tried first, inputs that behave in a new way are added
          --input    try just this file (needs --target); how a failure is seen again
          --failures folder for inputs that break something (default: the current one)
        Exit code 0: nothing found, 1: something found, 2: wrong command line.
        """;

    /// <summary>Name of a target, or <c>all</c>.</summary>
    public string Target { get; init; } = "all";

    /// <summary>Time for all targets together, in seconds.</summary>
    public double Seconds { get; init; } = 60;

    /// <summary>Inputs for one target at most.</summary>
    public long InputsMax { get; init; } = long.MaxValue;

    /// <summary>Decides every input.</summary>
    public int Seed { get; init; } = Environment.TickCount;

    /// <summary>Folder of inputs worth keeping; null for none.</summary>
    public string? Corpus { get; init; }

    /// <summary>A single input to try; null for many.</summary>
    public string? Input { get; init; }

    /// <summary>Where inputs that break something are written.</summary>
    public string Failures { get; init; } = ".";

    /// <summary>Longest time for one input; generous, because a busy machine is not a hang.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Reads the command line; null with what is wrong.</summary>
    public static FuzzOptions? Parse(IReadOnlyList<string> args, out string problem)
    {
        ArgumentNullException.ThrowIfNull(args);
        var options = new FuzzOptions();
        for (int i = 0; i < args.Count; i += 2)
        {
            if (i + 1 == args.Count)
            {
                problem = $"{args[i]} needs a value.";
                return null;
            }

            if (options.With(args[i], args[i + 1]) is not { } next)
            {
                problem = $"'{args[i]} {args[i + 1]}' is not understood.";
                return null;
            }

            options = next;
        }

        problem = options.Input is not null && options.Target == "all" ? "--input needs a --target." : "";
        return problem.Length == 0 ? options : null;
    }

    private FuzzOptions? With(string name, string value)
    {
        bool isNumber = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long number);
        return name switch
        {
            "--target" => this with { Target = value },
            "--seconds" when isNumber => this with { Seconds = number },
            "--inputs" when isNumber => this with { InputsMax = number },
            "--seed" when isNumber => this with { Seed = unchecked((int)number) },
            "--corpus" => this with { Corpus = value },
            "--input" => this with { Input = value },
            "--failures" => this with { Failures = value },
            _ => null,
        };
    }
}
