using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Files;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Tests.Nix.Files;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Archives;

public sealed class NarFromDiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_known_tree_has_its_known_hash_and_bytes()
    {
        _folder.Run("""echo hello > a; : > empty; mkdir sub; ln -s ../a sub/lnk; echo '#!/bin/sh' > sub/run; chmod +x sub/run""");
        Assert.Equal((NarHash.Parse(NarVectors.TreeHash), (long)NarVectors.TreeSize), await NarFromDisk.HashAsync(_folder.Path, Token));
        MemoryStream written = new();
        await NarFromDisk.WriteAsync(_folder.Path + "/", written, Token);
        Assert.Equal(NarVectors.Tree.Write(), written.ToArray());
    }

    [Fact]
    public async Task The_path_itself_may_be_a_file_or_a_symlink()
    {
        _folder.Run("echo hello > f; ln -s f l");
        Assert.Equal(NarHash.Parse(NarVectors.FileHash), (await NarFromDisk.HashAsync(_folder.Path + "/f", Token)).Hash);
        MemoryStream written = new();
        await NarFromDisk.WriteAsync(_folder.Path + "/l", written, Token);
        Assert.Equal(new NarTree.Link("f"u8.ToArray()).Write(), written.ToArray());
    }

    [Fact]
    public async Task A_tree_deeper_than_the_format_allows_is_refused_by_name()
    {
        _folder.Run("d=x; for i in $(seq 63); do d=$d/x; done; mkdir -p $d");
        await Assert.ThrowsAsync<NarTreeException>(() => NarFromDisk.HashAsync(_folder.Path, Token));
        NarTreeException e = await Assert.ThrowsAsync<NarTreeException>(() => NarFromDisk.WriteAsync(_folder.Path, Stream.Null, Token));
        Assert.Contains(_folder.Path + "/x/x", e.Message, StringComparison.Ordinal);
        Assert.True((await NarFromDisk.HashAsync(_folder.Path + "/x", Token)).NarSize > 0);
    }

    [Fact]
    public async Task What_cannot_be_archived_is_refused()
    {
        _folder.Run("mkfifo pipe");
        await Assert.ThrowsAsync<UnsupportedFileTypeException>(() => NarFromDisk.HashAsync(_folder.Path, Token));
        await Assert.ThrowsAsync<DiskAccessException>(() => NarFromDisk.HashAsync(_folder.Path + "/missing", Token));
    }
}
