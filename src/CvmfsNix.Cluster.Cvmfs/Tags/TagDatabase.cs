namespace CvmfsNix.Cluster.Cvmfs.Tags;

public static class TagDatabase
{
    public static byte[] Write(string fqrn, IReadOnlyList<RepositoryTag> tags) => throw new NotImplementedException();

    public static IReadOnlyList<RepositoryTag> Read(string file) => throw new NotImplementedException();
}
