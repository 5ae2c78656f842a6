using CvmfsNix.Cluster.Fuzz.Running;
using CvmfsNix.Cluster.Fuzz.Targets;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Fuzz;

/// <summary>A short run of the fuzzer over every target, always over the same inputs. Longer ones are made with the program itself (docs/reliability.md).</summary>
public sealed class FuzzTests
{
    private const int Seed = 20_260_101;

    public static TheoryData<string> Targets => [.. FuzzTargets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Changed_inputs_break_nothing(string name)
    {
        FuzzTarget target = Assert.Single(FuzzTargets.Named(name));
        var options = new FuzzOptions
        {
            Seed = Seed,
            InputsMax = target is SqliteTarget ? 300 : 1500,
            Seconds = double.MaxValue,
            Patience = TimeSpan.FromMinutes(2),
            Failures = Path.Combine(Path.GetTempPath(), "cvmfsnix-fuzz"),
        };

        FuzzReport report = new FuzzRun(target, options).Run();

        Assert.Equal(options.InputsMax, report.Inputs);
        Assert.InRange(report.Accepted, 1, report.Inputs);
        Assert.True(report.Outcomes > 1);
    }

    [Fact]
    public void The_same_seed_tries_the_same_inputs()
    {
        var first = new RecordingTarget();
        var second = new RecordingTarget();
        var options = new FuzzOptions { Seed = 1, InputsMax = 200, Seconds = double.MaxValue, Failures = Path.Combine(Path.GetTempPath(), "cvmfsnix-fuzz") };
        new FuzzRun(first, options).Run();
        new FuzzRun(second, options).Run();
        Assert.Equal(first.Inputs, second.Inputs);
        Assert.True(first.Inputs.Distinct().Count() > 100);
    }

    [Fact]
    public void What_a_reader_must_not_do_is_found_and_the_input_is_kept()
    {
        using var folder = new Nix.Files.TemporaryFolder();
        foreach ((string what, Func<byte[], string> read) in ((string, Func<byte[], string>)[])
        [
            ("IndexOutOfRangeException", input => input[0] > 200 ? $"{input[input.Length]}" : "fine"),
            ("allocate", input => input[0] > 200 ? new byte[100_000_000].Length.ToString() : "fine"),
            ("differs", input => { Oracle.Require(input[0] <= 200, "it differs"); return "fine"; }),
        ])
        {
            var options = new FuzzOptions { Seed = 1, Seconds = double.MaxValue, InputsMax = 100_000, Failures = folder.Path };
            var failure = Assert.Throws<FuzzFailedException>(() => new FuzzRun(new RecordingTarget(read), options).Run());
            Assert.Contains(what, failure.Message, StringComparison.Ordinal);
            Assert.InRange(File.ReadAllBytes(failure.File)[0], 201, 255);
            Assert.Throws<FuzzFailedException>(() => new FuzzRun(new RecordingTarget(read), options with { Input = failure.File }).Run());
        }
    }

    private sealed class RecordingTarget(Func<byte[], string>? read = null) : FuzzTarget
    {
        public List<string> Inputs { get; } = [];

        public override string Name => "recording";

        public override int LengthMax => 16;

        public override IEnumerable<byte[]> Seeds() => ["0123456789"u8.ToArray()];

        public override string Run(byte[] input, Random random)
        {
            Inputs.Add(Convert.ToHexString(input));
            return input.Length == 0 || read is null ? Accepted : read(input);
        }
    }
}
