using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Processes;

/// <summary>What the build put under test, and at which size.</summary>
internal static class BuiltPrograms
{
    public static string Node => BuiltProgram.Node;

    public static string Cli => BuiltProgram.Cli;

    /// <summary>True when the sizes named in the requirements are asked for instead of those for continuous integration.</summary>
    public static bool FullSize => Environment.GetEnvironmentVariable("CVMFSNIX_TEST_FULL") == "1";

    /// <summary>The seed of this run: <c>CVMFSNIX_TEST_SEED</c>, or a fixed one.</summary>
    public static int Seed =>
        int.TryParse(Environment.GetEnvironmentVariable("CVMFSNIX_TEST_SEED"), out int seed) ? seed : 20260719;
}
