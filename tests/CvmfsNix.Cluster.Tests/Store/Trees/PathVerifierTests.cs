using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Trees;

public sealed class PathVerifierTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_good_path_passes_with_the_stored_sizes_of_its_objects()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Of("a", SyntheticTree.Directory(("c", SyntheticTree.File("chunks of a file", chunkSize: 5)), ("f", SyntheticTree.File("file"))));
        await StoreAsync(repository, path);
        VerifiedPath verified = await Verifier(repository).VerifyAsync(path.Upload, Cancel);
        Assert.Equal(path.Objects.ToDictionary(o => o.Key, o => (long)o.Value.Length), verified.Objects.ToDictionary(o => o.Name, o => o.StoredSize));
    }

    public static TheoryData<string, string> Lies => new()
    {
        { "nar-hash", PathRejectionCodes.NarHashMismatch },
        { "nar-size", PathRejectionCodes.NarHashMismatch },
        { "executable", PathRejectionCodes.NarHashMismatch },
        { "digest", PathRejectionCodes.ContentMismatch },
        { "longer", PathRejectionCodes.ContentMismatch },
        { "shorter", PathRejectionCodes.ContentMismatch },
        { "not-zlib", PathRejectionCodes.ContentMismatch },
        { "missing", PathRejectionCodes.ObjectMissing },
        { "algorithm", PathRejectionCodes.InvalidTree },
        { "content-address", PathRejectionCodes.ContentAddressMismatch },
        { "unreadable-address", PathRejectionCodes.ContentAddressMismatch },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task Nothing_a_builder_says_is_believed(string lie, string code)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Of("a", SyntheticTree.File("the content"));
        await StoreAsync(repository, path);
        TreeNode root = path.Upload.Root;
        PathInfo info = path.Upload.Info;
        StoredContent content = root.Content!;
        PathUpload told = lie switch
        {
            "nar-hash" => new PathUpload(info with { NarHash = default }, root),
            "nar-size" => new PathUpload(info with { NarSize = info.NarSize + 8 }, root),
            "executable" => new PathUpload(info, root with { Executable = true }),
            "digest" => new PathUpload(info, root with { Digest = default }),
            "longer" => new PathUpload(info, root with { Content = content with { Size = content.Size + 1 } }),
            "shorter" => new PathUpload(info, root with { Content = content with { Size = content.Size - 1 } }),
            "not-zlib" => new PathUpload(info, root with { Content = content with { Hash = await AddAsync(repository, "no zlib stream"u8.ToArray()) } }),
            "missing" => new PathUpload(info, root with { Content = content with { Hash = ObjectHasher.Hash(HashAlgorithmId.Sha1, "absent"u8) } }),
            "algorithm" => new PathUpload(info, root with { Content = content with { Hash = ObjectHasher.Hash(HashAlgorithmId.Shake128, "absent"u8) } }),
            "content-address" => new PathUpload(info with { ContentAddress = "fixed:r:" + info.NarHash }, root),
            "unreadable-address" => new PathUpload(info with { ContentAddress = "nonsense" }, root),
            _ => throw new ArgumentOutOfRangeException(nameof(lie)),
        };
        var rejected = await Assert.ThrowsAsync<PathRejectedException>(() => Verifier(repository).VerifyAsync(told, Cancel));
        Assert.Equal(code, rejected.Code);
        Assert.Contains(info.Path.Value, rejected.What, StringComparison.Ordinal);
    }

    public static TheoryData<int> Sizes => new() { 1000, 200_000, 3_000_000 };

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task What_is_known_of_a_content_saves_a_hash_and_no_lie_passes_by_it(int size)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Of("a", SyntheticTree.File(new string('x', size)));
        SyntheticPath other = SyntheticPath.Of("b", SyntheticTree.File(new string('y', size)));
        await StoreAsync(repository, path);
        await StoreAsync(repository, other);
        TreeNode root = path.Upload.Root;
        StoredContent content = root.Content!;
        StoredContent another = other.Upload.Root.Content!;
        ContentDigest lie = other.Upload.Root.Digest;

        var knowing = new PathVerifier(repository.Store.Objects, repository.Format, digest => digest == root.Digest ? content : digest == lie ? another : null);
        Assert.Same(path.Upload, (await knowing.VerifyAsync(path.Upload, Cancel)).Upload);
        // A digest that is known, of another object; an object that is known, by another digest; another content altogether.
        foreach (TreeNode told in (TreeNode[])[root with { Digest = lie }, root with { Digest = default }, root with { Digest = lie, Content = another }, root with { Content = another }])
        {
            var rejected = await Assert.ThrowsAsync<PathRejectedException>(() => knowing.VerifyAsync(new PathUpload(path.Upload.Info, told), Cancel));
            Assert.Equal(told.Digest == lie && told.Content == another ? PathRejectionCodes.NarHashMismatch : PathRejectionCodes.ContentMismatch, rejected.Code);
        }
    }

    [Fact]
    public async Task A_content_address_that_leads_to_the_path_passes()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Of("source", SyntheticTree.File("text"));
        StorePathName name = StorePathComputation.FromSource(repository.Format.StoreDirectory, "source", path.Upload.Info.NarHash, [], false);
        await StoreAsync(repository, path);
        PathUpload upload = path.Upload with { Info = path.Upload.Info with { Path = name, ContentAddress = "fixed:r:" + path.Upload.Info.NarHash } };
        Assert.Same(upload, (await Verifier(repository).VerifyAsync(upload, Cancel)).Upload);
    }

    public static TheoryData<string, string> Trees => new()
    {
        { "unsorted", PathRejectionCodes.InvalidTree },
        { "twice", PathRejectionCodes.InvalidTree },
        { "dot", PathRejectionCodes.InvalidTree },
        { "slash", PathRejectionCodes.InvalidTree },
        { "empty-name", PathRejectionCodes.InvalidTree },
        { "long-name", PathRejectionCodes.InvalidTree },
        { "too-deep", PathRejectionCodes.InvalidTree },
        { "empty-target", PathRejectionCodes.InvalidTree },
        { "gap", PathRejectionCodes.InvalidTree },
        { "variable", PathRejectionCodes.NotRepresentable },
        { "marker-below", PathRejectionCodes.NotRepresentable },
        { "marker-directory", PathRejectionCodes.NotRepresentable },
    };

    [Theory]
    [MemberData(nameof(Trees))]
    public async Task A_tree_no_client_could_show_is_refused(string kind, string code)
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        TreeNode root = kind switch
        {
            "unsorted" => Directory(Link("b"), Link("a")),
            "twice" => Directory(Link("a"), Link("a")),
            "dot" => Directory(Link("..")),
            "slash" => Directory(Link("a/b")),
            "empty-name" => Directory(Link("")),
            "long-name" => Directory(Link(new string('n', 256))),
            "too-deep" => Enumerable.Range(0, 5000).Aggregate(Directory(), (inner, _) => Directory(inner with { Name = "d"u8.ToArray() })),
            "empty-target" => Directory(Link("a", "")),
            "gap" => new TreeNode
            {
                Kind = TreeNodeKind.Regular,
                Content = new StoredContent(10, CompressionAlgorithm.Zlib, null, [new StoredChunk(0, 5, default), new StoredChunk(6, 4, default)]),
            },
            "variable" => Directory(Link("a", "$(HOME)/x")),
            "marker-below" => Directory(Directory(Link(".cvmfscatalog")) with { Name = "d"u8.ToArray() }),
            "marker-directory" => Directory(Directory() with { Name = ".cvmfscatalog"u8.ToArray() }),
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
        PathInfo info = SyntheticPath.Of("a", SyntheticTree.File("x")).Upload.Info;
        var rejected = await Assert.ThrowsAsync<PathRejectedException>(() => Verifier(repository).VerifyAsync(new PathUpload(info, root), Cancel));
        Assert.Equal(code, rejected.Code);
    }

    private static TreeNode Directory(params TreeNode[] children) => new() { Kind = TreeNodeKind.Directory, Children = children };

    private static TreeNode Link(string name, string target = "t") => new()
    {
        Kind = TreeNodeKind.Symlink,
        Name = System.Text.Encoding.UTF8.GetBytes(name),
        Target = System.Text.Encoding.UTF8.GetBytes(target),
    };

    private static PathVerifier Verifier(TestRepository repository) => new(repository.Store.Objects, repository.Format);

    private static async Task<ObjectHash> AddAsync(TestRepository repository, byte[] stored)
    {
        await using var batch = repository.Store.Objects.BeginBatch();
        ObjectName name = await batch.AddAsync(ObjectKind.Data, stored, Cancel);
        await batch.CompleteAsync(Cancel);
        return name.Hash;
    }

    private static async Task StoreAsync(TestRepository repository, SyntheticPath path)
    {
        await using var batch = repository.Store.Objects.BeginBatch();
        foreach ((ObjectName name, byte[] stored) in path.Objects)
            await batch.AddAsync(name.Kind, stored, Cancel);
        await batch.CompleteAsync(Cancel);
    }
}
