namespace CvmfsNix.Cluster.FaultTests.Processes;

/// <summary>Where the build put the programs under test.</summary>
internal static class BuiltPrograms
{
    public static string Node => Find("CvmfsNix.Cluster.Node", "cvmfsnix-node");

    public static string Cli => Find("CvmfsNix.Cluster.Cli", "cvmfsnix");

    /// <summary>True when the sizes named in the requirements are asked for instead of those for continuous integration.</summary>
    public static bool FullSize => Environment.GetEnvironmentVariable("CVMFSNIX_TEST_FULL") == "1";

    /// <summary>The seed of this run: <c>CVMFSNIX_TEST_SEED</c>, or a fixed one.</summary>
    public static int Seed =>
        int.TryParse(Environment.GetEnvironmentVariable("CVMFSNIX_TEST_SEED"), out int seed) ? seed : 20260719;

    private static string Find(string project, string program)
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "CvmfsNix.Cluster.sln")))
                continue;
            string file = Path.Combine(folder.FullName, "artifacts", "bin", project, "release", program);
            return File.Exists(file)
                ? file
                : throw new FileNotFoundException($"{file} is missing: run dotnet build -c Release CvmfsNix.Cluster.sln first.", file);
        }

        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds CvmfsNix.Cluster.sln.");
    }
}
