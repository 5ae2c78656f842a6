using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Files;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Ingest;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.Tests.Nix.Files;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Ingest;

public sealed class IngestPipelineTests : IDisposable
{
    private static readonly IngestOptions Options = new() { Parallelism = 3 };

    private readonly TemporaryFolder _folder = new();
    private readonly MemoryTarget _target = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_tree_with_odd_names_arrives_as_it_is()
    {
        _folder.Run("""
            mkdir p p/sub p/sub/empty-dir; printf hello > p/plain; : > p/empty; printf '#!/bin/sh\n' > p/run; chmod 755 p/run
            printf odd > "$(printf 'p/not\377utf8')"; printf nl > "$(printf 'p/new\nline')"; printf sp > 'p/ space'; printf hi > 'p/sub/é'
            ln -s "$(printf 'to\376nowhere')" p/link; ln -s ../plain p/sub/up
            """);
        await RunAsync(await PathAsync("p"));
        TreeNode root = Assert.Single(_target.Paths).Root;
        Assert.Equal(
            ["207370616365", "656D707479", "6C696E6B", "6E65770A6C696E65", "6E6F74FF75746638", "706C61696E", "72756E", "737562"],
            root.Children.Select(c => Convert.ToHexString(c.Name.Span)));
        Assert.Equal("746FFE6E6F7768657265", Convert.ToHexString(root.Children[2].Target.Span));
        Assert.Equal([false, false, false, false, false, false, true, false], root.Children.Select(c => c.Executable));
        Assert.Equal(TreeNodeKind.Directory, root.Children[7].Children.Single(c => c.Name.Span.SequenceEqual("empty-dir"u8)).Kind);
        Assert.Equal("hello"u8.ToArray(), _target.Read(root.Children[5]));
        // The empty file's object is the eight bytes that every reader of the format takes.
        Assert.Equal(8, _target.Objects.StoredSize(new ObjectName(root.Children[1].Content!.Hash!.Value, ObjectKind.Data)));
    }

    [Fact]
    public async Task A_path_that_is_a_single_file_or_symlink_arrives()
    {
        _folder.Run("printf text > f; ln -s somewhere l");
        await RunAsync(await PathAsync("f"), await PathAsync("l"));
        Assert.Equal([TreeNodeKind.Regular, TreeNodeKind.Symlink], _target.Paths.Select(p => p.Root.Kind));
    }

    [Fact]
    public async Task What_the_repository_has_is_not_sent_again()
    {
        Write("p/a", Text(300_000));
        Write("p/large", Text(3_000_000));
        IngestOptions options = Options with { ChunkBytesMin = 256 * 1024, ChunkBytesAverage = 512 * 1024, ChunkBytesMax = 1024 * 1024 };
        IngestResult first = await RunAsync(options, await PathAsync("p"));
        Assert.True(first.ObjectsSent > 3);
        Assert.Equal((_target.Received.Count, _target.Received.Sum(h => h.StoredSize)), ((int)first.ObjectsSent, first.BytesStored));
        IngestResult second = await RunAsync(options, await PathAsync("p"));
        Assert.Equal(new IngestResult(0, 3_300_000, 0, 0), second);
        Assert.Equal(_target.Paths[0].Root.Children.Select(c => c.Digest), _target.Paths[1].Root.Children.Select(c => c.Digest));
    }

    [Fact]
    public async Task The_same_content_is_sent_once_however_many_files_have_it()
    {
        for (int i = 0; i < 6; i++)
        {
            Write($"p{i}/same", Text(50_000));
            Write($"p{i}/same-too", Text(50_000));
            Write($"p{i}/large", Text(2_000_000));
        }

        (PathInfo, byte[])[] paths = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => PathAsync($"p{i}")));
        IngestResult result = await RunAsync(paths);
        Assert.Equal(2, result.ObjectsSent);
        Assert.Equal(paths.Select(p => p.Item1), _target.Paths.Select(p => p.Info));
    }

    [Fact]
    public async Task A_large_file_is_cut_where_its_content_says_and_comes_back_whole()
    {
        byte[] bytes = new byte[20 << 20];
        new Random(5).NextBytes(bytes);
        Write("p/random", bytes);
        Write("p/text", Text(9 << 20));
        await RunAsync(await PathAsync("p"));
        TreeNode random = _target.Paths[0].Root.Children[0];
        Assert.Null(random.Content!.Hash);
        Assert.InRange(random.Content.Chunks.Count, 2, 5);
        Assert.Equal(bytes, _target.Read(random));
        // Noise does not shrink: it is stored as it is. Text does.
        Assert.Equal(CompressionAlgorithm.None, random.Content.Compression);
        Assert.Equal(CompressionAlgorithm.Zlib, _target.Paths[0].Root.Children[1].Content!.Compression);
        Assert.Equal(Text(9 << 20), _target.Read(_target.Paths[0].Root.Children[1]));
    }

    [Fact]
    public async Task Small_content_that_does_not_shrink_is_stored_as_it_is()
    {
        byte[] noise = new byte[10_000];
        new Random(1).NextBytes(noise);
        Write("p/noise", noise);
        Write("p/tiny", [1]);
        await RunAsync(await PathAsync("p"));
        Assert.All(_target.Paths[0].Root.Children, f => Assert.Equal(CompressionAlgorithm.None, f.Content!.Compression));
        Assert.Equal(noise, _target.Read(_target.Paths[0].Root.Children[0]));
    }

    [Fact]
    public async Task Content_that_shrinks_anywhere_is_compressed()
    {
        byte[] noise = new byte[1 << 20];
        new Random(1).NextBytes(noise);
        Write("p/a", noise);
        // Noise, with a text that no look of every 64 KiB misses; and noise of which every byte lacks a bit.
        byte[] mixed = [.. noise];
        Text(200_000).CopyTo(mixed, 500_000);
        Write("p/b", mixed);
        Write("p/c", [.. noise.Select(b => (byte)(b & 0x7f))]);
        await RunAsync(await PathAsync("p"));
        Assert.Equal(
            [CompressionAlgorithm.None, CompressionAlgorithm.Zlib, CompressionAlgorithm.Zlib], _target.Paths[0].Root.Children.Select(f => f.Content!.Compression));
        Assert.Equal(noise, _target.Read(_target.Paths[0].Root.Children[0]));
        Assert.Equal(mixed, _target.Read(_target.Paths[0].Root.Children[1]));
    }

    [Fact]
    public async Task A_tree_that_is_not_what_nix_registered_is_refused_and_nothing_of_it_sent()
    {
        Write("p/a", Text(1000));
        (PathInfo Info, byte[] DiskPath) path = await PathAsync("p");
        Write("p/a", Text(1001));
        var error = await Assert.ThrowsAsync<IngestException>(() => RunAsync(path));
        Assert.Equal(("NarHashMismatch", path.Info.Path.Value), (error.Code, error.What));
        Assert.Equal(0, _target.Packs);
        Assert.Empty(_target.Questions);
        Assert.Empty(_target.Paths);
    }

    [Fact]
    public async Task The_smallest_budget_is_enough_for_any_tree()
    {
        for (int i = 0; i < 40; i++)
            Write($"p/small{i:00}", Text(10_000 + i));
        for (int i = 0; i < 4; i++)
            Write($"p/large{i}", Text(1_500_000 + i));
        IngestOptions options = Options with
        {
            InFlightBytesMax = 100_000, PackBytesTarget = 1, UploadsInFlight = 1, PathsInFlight = 1,
            ChunkBytesMin = 100_000, ChunkBytesAverage = 200_000, ChunkBytesMax = 400_000,
        };
        await RunAsync(options, await PathAsync("p"));
        Assert.Equal(44, MemoryTarget.FilesOf(_target.Paths[0].Root).Count(f => _target.Read(f).Length == f.Content!.Size));
        Assert.Equal(1, _target.UploadsAtOnceMax);
        Assert.Equal(_target.Received.Count, _target.Packs);
    }

    [Fact]
    public async Task Many_small_paths_share_questions_and_packs()
    {
        List<(PathInfo, byte[])> paths = [];
        for (int i = 0; i < 300; i++)
        {
            Write($"p{i}/file", Text(500 + i));
            paths.Add(await PathAsync($"p{i}"));
        }

        IngestResult result = await RunAsync([.. paths]);
        Assert.Equal((300L, 300), (result.ObjectsSent, _target.Paths.Count));
        Assert.Equal(paths.Select(p => p.Item1.Path), _target.Paths.Select(p => p.Info.Path));
        Assert.Equal(300, _target.Questions.Sum());
        Assert.True(_target.UploadsAtOnceMax <= Options.UploadsInFlight);
    }

    [Fact]
    public async Task The_error_of_an_upload_ends_the_run_and_is_the_error_of_the_run()
    {
        for (int i = 0; i < 50; i++)
            Write($"p/f{i}", Text(20_000 + i));
        _target.BeforeUpload = number => number == 3 ? throw new HttpRequestException("gateway gone") : Task.CompletedTask;
        (PathInfo, byte[]) path = await PathAsync("p");
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => RunAsync(Options with { PackBytesTarget = 1 }, path));
        Assert.Equal("gateway gone", error.Message);
        Assert.Empty(_target.Paths);
    }

    [Fact]
    public async Task A_run_that_is_cancelled_ends()
    {
        Write("p/f", Text(20_000));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        _target.BeforeUpload = _ => stop.CancelAsync();
        (PathInfo, byte[]) path = await PathAsync("p");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new IngestPipeline(_target, Options).RunAsync([path], stop.Token));
    }

    [Fact]
    public async Task A_file_that_changes_between_reading_and_sending_is_named()
    {
        Write("p/large", Text(2_000_000));
        (PathInfo, byte[]) path = await PathAsync("p");
        // The question is asked between the two readings.
        var target = new ChangingTarget(_target, () => Write("p/large", [.. Text(1_999_999), 0]));
        var error = await Assert.ThrowsAsync<FileChangedException>(() => new IngestPipeline(target, Options).RunAsync([path], Token));
        Assert.Contains("p/large", error.Message, StringComparison.Ordinal);
        Assert.Empty(_target.Paths);
    }

    private static byte[] Text(int length)
    {
        var bytes = new byte[length];
        uint state = 12345;
        for (int i = 0; i < length; i++)
        {
            state = (state * 1664525) + 1013904223;
            bytes[i] = (byte)('a' + (state >> 29));
        }

        return bytes;
    }

    private void Write(string relativePath, byte[] bytes)
    {
        string file = Path.Combine(_folder.Path, relativePath);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, bytes);
    }

    private async Task<(PathInfo Info, byte[] DiskPath)> PathAsync(string name)
    {
        byte[] path = DiskPath.Combine(_folder.Bytes, System.Text.Encoding.UTF8.GetBytes(name));
        (NarHash hash, long size) = await NarFromDisk.HashAsync(path, Token);
        return (new PathInfo { Path = StorePathName.Parse($"{new string('0', 32)}-{name}"), NarHash = hash, NarSize = size }, path);
    }

    private Task<IngestResult> RunAsync(params (PathInfo, byte[])[] paths) => RunAsync(Options, paths);

    private Task<IngestResult> RunAsync(IngestOptions options, params (PathInfo, byte[])[] paths) =>
        new IngestPipeline(_target, options).RunAsync(paths, Token);

    private sealed class ChangingTarget(IPublishTarget inner, Action change) : IPublishTarget
    {
        public CvmfsNix.Cluster.Cvmfs.Hashing.HashAlgorithmId HashAlgorithm => inner.HashAlgorithm;

        public Task<IReadOnlyList<StoredContent?>> FindContentAsync(IReadOnlyList<ContentDigest> digests, CancellationToken cancellationToken)
        {
            change();
            return inner.FindContentAsync(digests, cancellationToken);
        }

        public Task UploadPackAsync(Func<Stream, CancellationToken, Task> writePack, CancellationToken cancellationToken) =>
            inner.UploadPackAsync(writePack, cancellationToken);

        public Task AddPathAsync(PathUpload upload, CancellationToken cancellationToken) => inner.AddPathAsync(upload, cancellationToken);
    }
}
