using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Traps;

/// <summary>Two repositories as a node writes them, one per digest, with every kind of content there is and several revisions.</summary>
public sealed class TrapFixture : IAsyncLifetime
{
    internal TestRepository Sha1 { get; private set; } = null!;

    internal TestRepository Shake { get; private set; } = null!;

    internal RawRepository Raw => new(Sha1.RepositoryFolder);

    internal RawRepository RawShake => new(Shake.RepositoryFolder);

    public async ValueTask InitializeAsync()
    {
        Sha1 = await PublishAsync(HashAlgorithmId.Sha1);
        Shake = await PublishAsync(HashAlgorithmId.Shake128);
    }

    public async ValueTask DisposeAsync()
    {
        // A writer that is broken may have made neither.
        foreach (TestRepository? repository in (TestRepository?[])[Sha1, Shake])
        {
            if (repository is not null)
                await repository.DisposeAsync();
        }
    }

    private static async Task<TestRepository> PublishAsync(HashAlgorithmId algorithm)
    {
        TestRepository repository = await TestRepository.CreateAsync(CancellationToken.None, algorithm);
        await repository.PublishAsync(CancellationToken.None, SyntheticPath.Package("large", 30, algorithm: algorithm), SyntheticPath.Package("small", 1, algorithm: algorithm));

        // A clock that goes back must not show in what is published.
        repository.Now = repository.Now.AddHours(-1);
        await repository.PublishAsync(CancellationToken.None, SyntheticPath.Of(
            "odd",
            SyntheticTree.Directory(
                ("chunked", SyntheticTree.File(new string('c', 5000), chunkSize: 1000)),
                ("d", SyntheticTree.Directory(("e", SyntheticTree.Directory()), ("f", SyntheticTree.Directory()))),
                ("empty", SyntheticTree.File("")),
                ("link", SyntheticTree.Symlink("d/e")),
                ("plain", SyntheticTree.File("stored as it is", compressed: false)),
                ("run", SyntheticTree.File("#!/bin/sh", executable: true))),
            algorithm: algorithm));
        repository.Now = repository.Now.AddHours(2);
        await repository.PublishAsync(CancellationToken.None, SyntheticPath.Of("file", SyntheticTree.File("just a file"), algorithm: algorithm), SyntheticPath.Of("link", SyntheticTree.Symlink("../x"), algorithm: algorithm));
        return repository;
    }
}
