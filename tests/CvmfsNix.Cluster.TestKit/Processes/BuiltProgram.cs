namespace CvmfsNix.Cluster.TestKit.Processes;

/// <summary>Where the build put the programs under test.</summary>
public static class BuiltProgram
{
    /// <summary>File of <c>cvmfsnix-node</c>.</summary>
    public static string Node => Find("CvmfsNix.Cluster.Node", "cvmfsnix-node");

    /// <summary>File of <c>cvmfsnix</c>.</summary>
    public static string Cli => Find("CvmfsNix.Cluster.Cli", "cvmfsnix");

    private static string Find(string project, string program)
    {
        string root = Path.GetFullPath(Path.Combine(TestData.Path("."), "..", ".."));
        string file = Path.Combine(root, "artifacts", "bin", project, "release", program);
        return File.Exists(file)
            ? file
            : throw new FileNotFoundException($"{file} is missing: run dotnet build -c Release CvmfsNix.Cluster.sln first.", file);
    }
}
