using CvmfsNix.Cluster.TestKit;

namespace CvmfsNix.Cluster.InteropTests.Deploy;

/// <summary>The scripts beside these tests.</summary>
internal static class DeployScript
{
    /// <summary>The source tree.</summary>
    public static string Top => Path.GetFullPath(TestData.Path(Path.Combine("..", "..")));

    /// <summary>Full path of a script.</summary>
    public static string Named(string name) => Path.Combine(Top, "tests", "CvmfsNix.Cluster.InteropTests", "Deploy", name);
}
