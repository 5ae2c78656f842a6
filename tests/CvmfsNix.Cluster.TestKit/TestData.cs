namespace CvmfsNix.Cluster.TestKit;

/// <summary>Files under <c>tests/testdata</c>, used where they lie in the source tree.</summary>
public static class TestData
{
    private const string SolutionFile = "CvmfsNix.Cluster.sln";
    private static readonly Lazy<string> Folder = new(Locate);

    /// <summary>Full path of a file or folder of the test data.</summary>
    public static string Path(string relativePath)
    {
        var path = System.IO.Path.Combine(Folder.Value, relativePath);
        return System.IO.Path.Exists(path) ? path : throw new FileNotFoundException($"The test data '{relativePath}' is not in {Folder.Value}.", path);
    }

    private static string Locate()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(at.FullName, SolutionFile))) return System.IO.Path.Combine(at.FullName, "tests", "testdata");
        }

        throw new DirectoryNotFoundException($"No {SolutionFile} above {AppContext.BaseDirectory}: tests run from a build inside the source tree.");
    }
}
