using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Files;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Files;

public sealed class DiskTreeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Entries_come_in_the_order_of_their_bytes_with_kind_size_target_and_execute_bit()
    {
        _folder.Run("""
            printf abc > b; printf x > B; chmod 0100 B; chmod 0011 b; mkdir a; ln -s "$(printf 'to\377')" c; printf y > "$(printf 'b\377')"; printf z > 'é'
            """);
        IReadOnlyList<DiskEntry> entries = DiskTree.List(_folder.Bytes);
        Assert.Equal(
            ["42", "61", "62", "62FF", "63", "C3A9"],
            entries.Select(entry => Convert.ToHexString(entry.Name.Span)));
        Assert.Equal(
            [NarEntryKind.Regular, NarEntryKind.Directory, NarEntryKind.Regular, NarEntryKind.Regular, NarEntryKind.Symlink, NarEntryKind.Regular],
            entries.Select(entry => entry.Kind));
        Assert.Equal([1, 0, 3, 1, 0, 1], entries.Select(entry => entry.Size));
        Assert.Equal([true, false, false, false, false, false], entries.Select(entry => entry.Executable));
        Assert.Equal("746FFF", Convert.ToHexString(entries[4].SymlinkTarget.Span));
        Assert.Equal([.. _folder.Bytes, (byte)'/', (byte)'b', 0xff], entries[3].FullPath.ToArray());
    }

    [Fact]
    public async Task A_file_with_a_name_that_is_not_utf8_is_read()
    {
        _folder.Run("printf 'its content' > \"$(printf 'n\\377')\"");
        DiskEntry entry = Assert.Single(DiskTree.List(_folder.Bytes));
        await using Stream stream = DiskTree.OpenRead(entry);
        using StreamReader reader = new(stream);
        Assert.Equal("its content", await reader.ReadToEndAsync(TestContext.Current.CancellationToken));
        Assert.Equal(11, DiskTree.Stat(entry.FullPath.Span).Size);
    }

    [Fact]
    public void Symlinks_are_never_followed_at_the_end_of_a_path()
    {
        _folder.Run("mkdir d; ln -s d l; printf x > f; ln -s f lf");
        byte[] link = DiskPath.Combine(_folder.Bytes, "l"u8);
        Assert.Equal(NarEntryKind.Symlink, DiskTree.Stat(link).Kind);
        Assert.Equal(NarEntryKind.Symlink, DiskTree.Stat([.. link, (byte)'/']).Kind);
        Assert.Throws<DiskAccessException>(() => DiskTree.List(link));
        Assert.Throws<DiskAccessException>(() => DiskTree.OpenRead(DiskPath.Combine(_folder.Bytes, "lf"u8)));
    }

    [Fact]
    public void Other_kinds_of_files_are_refused_by_name()
    {
        _folder.Run("mkfifo pipe");
        byte[] pipe = DiskPath.Combine(_folder.Bytes, "pipe"u8);
        foreach (Action look in (Action[])[() => DiskTree.List(_folder.Bytes), () => DiskTree.Stat(pipe), () => DiskTree.OpenRead(pipe)])
        {
            UnsupportedFileTypeException e = Assert.Throws<UnsupportedFileTypeException>(look);
            Assert.Contains("pipe is a FIFO", e.Message, StringComparison.Ordinal);
            Assert.Equal(pipe, e.Path.ToArray());
        }
    }

    [Fact]
    public void What_is_not_there_is_named_with_the_reason()
    {
        byte[] missing = DiskPath.Combine(_folder.Bytes, "missing"u8);
        foreach (Action look in (Action[])[() => DiskTree.List(missing), () => DiskTree.Stat(missing), () => DiskTree.OpenRead(missing)])
        {
            DiskAccessException e = Assert.Throws<DiskAccessException>(look);
            Assert.Equal(2, e.ErrorNumber);
            Assert.Contains(_folder.Path + "/missing", e.Message, StringComparison.Ordinal);
        }

        Assert.Equal(36, Assert.Throws<DiskAccessException>(() => DiskTree.Stat(new byte[5000].Select(_ => (byte)'x').ToArray())).ErrorNumber);
        Assert.Throws<ArgumentException>(() => DiskTree.Stat("a\0b"u8));
        Assert.Throws<ArgumentException>(() => DiskTree.Stat([]));
    }

    [Theory]
    [InlineData("printf more >> f", "is now 104")]
    [InlineData(": > f", "ended at 50")]
    [InlineData("touch -d '2001-01-01' f", "modification time")]
    public void A_file_that_changes_while_it_is_read_is_noticed_and_named(string change, string expected)
    {
        _folder.Run("head -c 100 /dev/zero > f");
        using Stream stream = DiskTree.OpenRead(DiskPath.Combine(_folder.Bytes, "f"u8));
        stream.ReadExactly(new byte[50]);
        _folder.Run(change);
        FileChangedException e = Assert.Throws<FileChangedException>(() => stream.ReadExactly(new byte[50]));
        Assert.Contains("/f changed", e.Message, StringComparison.Ordinal);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_changed_since_it_was_listed_is_noticed()
    {
        _folder.Run("printf x > f");
        DiskEntry entry = Assert.Single(DiskTree.List(_folder.Bytes));
        _folder.Run("printf y >> f");
        Assert.Throws<FileChangedException>(() => DiskTree.OpenRead(entry));
    }
}
