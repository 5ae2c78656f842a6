using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.TestKit.Store;

namespace CvmfsNix.Cluster.TestKit.Written;

/// <summary>A repository written by the store: a few revisions with every kind of store path, and profiles.</summary>
public static class StoreRepository
{
    /// <summary>Publishes into a new repository.</summary>
    public static async Task<TestRepository> CreateAsync(CancellationToken cancellationToken, HashAlgorithmId algorithm = HashAlgorithmId.Sha1)
    {
        TestRepository repository = await TestRepository.CreateAsync(cancellationToken, algorithm);
        SyntheticPath library = SyntheticPath.Package("library", 30, algorithm: algorithm);
        SyntheticPath chunked = SyntheticPath.Of(
            "chunked",
            SyntheticTree.Directory(
                ("big", SyntheticTree.File(new string('b', 5000), chunkSize: 2000)),
                ("big-stored", SyntheticTree.File("0123456789", chunkSize: 4, compressed: false)),
                ("empty", SyntheticTree.File("")),
                ("lib", SyntheticTree.Directory(("deep", SyntheticTree.Directory(("er", SyntheticTree.Directory(("x", SyntheticTree.File("x", executable: true)))))))),
                ("link", SyntheticTree.Symlink("lib/deep")),
                ("stored", SyntheticTree.File("stored", compressed: false))),
            [library.Path],
            algorithm);
        SyntheticPath marked = SyntheticPath.Of("marked", SyntheticTree.Directory((".cvmfscatalog", SyntheticTree.File("")), ("f", SyntheticTree.File("f"))), algorithm: algorithm);
        SyntheticPath small = SyntheticPath.Of("small", SyntheticTree.Directory(("etc", SyntheticTree.Directory(("conf", SyntheticTree.File("conf"))))), algorithm: algorithm);
        SyntheticPath file = SyntheticPath.Of("single-file", SyntheticTree.File("one file"), algorithm: algorithm);
        SyntheticPath link = SyntheticPath.Of("single-link", SyntheticTree.Symlink("elsewhere"), algorithm: algorithm);

        await repository.PublishAsync(cancellationToken, library, small);
        repository.Now += TimeSpan.FromSeconds(1);
        await repository.PublishAsync(cancellationToken, chunked, marked, file, link);
        repository.Now += TimeSpan.FromSeconds(1);
        foreach (SyntheticPath target in (SyntheticPath[])[library, chunked])
        {
            CommitMember member = await repository.SealAsync([], cancellationToken, profile: "default", profileTarget: target.Path);
            await repository.CommitAsync((await repository.PrepareAsync(cancellationToken, member)).Revision!, cancellationToken);
        }

        return repository;
    }
}
