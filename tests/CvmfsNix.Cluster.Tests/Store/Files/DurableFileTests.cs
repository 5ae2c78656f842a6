using CvmfsNix.Cluster.Store.Files;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Files;

public sealed class DurableFileTests : IDisposable
{
    private readonly StoreFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_file_is_replaced_whole()
    {
        string file = _folder.At("manifest");
        await DurableFile.WriteAtomicAsync(_folder.Path, file, new byte[] { 1, 2, 3, 4 }, cancellationToken: Token);
        string? before = null;
        await DurableFile.WriteAtomicAsync(
            _folder.Path, file, new byte[] { 5 }, beforeRename: () => before = Convert.ToHexString(File.ReadAllBytes(file)), cancellationToken: Token);
        Assert.Equal("01020304", before);
        Assert.Equal([5], await File.ReadAllBytesAsync(file, Token));
        Assert.Equal([file], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_secret_is_for_its_owner_only()
    {
        string file = _folder.At("secret");
        await DurableFile.WriteAtomicAsync(
            _folder.Path, file, new byte[] { 1 }, UnixFileMode.UserRead | UnixFileMode.UserWrite, cancellationToken: Token);
        if (OperatingSystem.IsWindows())
            return;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Fact]
    public async Task A_failure_names_the_file_and_leaves_the_old_one()
    {
        string file = _folder.At("target");
        Directory.CreateDirectory(Path.Combine(file, "not-empty"));
        var error = await Assert.ThrowsAsync<IOException>(() => DurableFile.WriteAtomicAsync(_folder.Path, file, new byte[] { 1 }, cancellationToken: Token));
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void Directories_are_made_with_their_parents()
    {
        DurableDirectory.Ensure(_folder.At("a/b/c"));
        DurableDirectory.Ensure(_folder.At("a/b/c"));
        Assert.True(Directory.Exists(_folder.At("a/b/c")));
    }

    [Fact]
    public void A_directory_that_is_not_there_cannot_be_synced()
    {
        var error = Assert.Throws<IOException>(() => DirectorySync.Sync(_folder.At("missing")));
        Assert.Contains(_folder.At("missing"), error.Message, StringComparison.Ordinal);
        File.WriteAllText(_folder.At("file"), "");
        Assert.Throws<IOException>(() => DirectorySync.Sync(_folder.At("file")));
    }
}
