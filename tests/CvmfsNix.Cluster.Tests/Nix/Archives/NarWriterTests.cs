using System.Security.Cryptography;
using CsCheck;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Archives;

public sealed class NarWriterTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void A_file_is_written_byte_for_byte_as_nix_does() => Assert.Equal(NarVectors.FileNar, NarVectors.File.Write());

    [Fact]
    public void A_tree_has_the_size_and_hash_nix_gives_it()
    {
        byte[] nar = NarVectors.Tree.Write();
        Assert.Equal(NarVectors.TreeSize, nar.Length);
        Assert.Equal(NarVectors.TreeHash, new NarHash(SHA256.HashData(nar)).ToString());
    }

    [Fact]
    public async Task Both_forms_of_the_writer_and_the_hash_builder_agree() =>
        await NarTree.Any.SampleAsync(async tree =>
        {
            byte[] pushed = tree.Write();
            Assert.Equal(pushed, await tree.WriteAsync(Token));
            using NarHashBuilder builder = new();
            tree.Push(builder, []);
            (NarHash hash, long size) = builder.Finish();
            Assert.Equal(new NarHash(SHA256.HashData(pushed)), hash);
            Assert.Equal(pushed.Length, size);
        });

    [Fact]
    public async Task A_directory_larger_than_any_buffer_is_written_and_hashed_alike()
    {
        NarTree tree = NarTree.FolderOf([.. Enumerable.Range(0, 5000).Select(i => ($"{i:d5}", i % 2 == 0 ? NarTree.FileOf($"{i}") : (NarTree)new NarTree.Link([.. Enumerable.Repeat((byte)'t', i % 4000 + 1)])))]);
        byte[] pushed = tree.Write();
        Assert.Equal(pushed, await tree.WriteAsync(Token));
        Assert.Equal(tree.Describe(), await NarTree.ReadAsync(new MemoryStream(pushed), Token));
        using NarHashBuilder builder = new();
        tree.Push(builder, []);
        Assert.Equal((new NarHash(SHA256.HashData(pushed)), (long)pushed.Length), builder.Finish());
    }

    [Theory]
    [InlineData("b", "a")]
    [InlineData("a", "a")]
    [InlineData("aa", "a")]
    [InlineData("a", "B")]
    [InlineData("\u00e9", "z")]
    public void Names_that_do_not_ascend_are_refused(string first, string second)
    {
        using NarWriter writer = new(new MemoryStream());
        writer.BeginDirectory([]);
        writer.WriteSymlink(System.Text.Encoding.UTF8.GetBytes(first), "x"u8);
        Assert.Throws<NarTreeException>(() => writer.WriteSymlink(System.Text.Encoding.UTF8.GetBytes(second), "x"u8));
    }

    [Fact]
    public void Order_is_kept_per_directory_also_after_a_subdirectory()
    {
        using NarWriter writer = new(new MemoryStream());
        writer.BeginDirectory([]);
        writer.BeginDirectory("m"u8);
        writer.WriteSymlink("z"u8, "x"u8);
        writer.EndDirectory();
        Assert.Throws<NarTreeException>(() => writer.WriteSymlink("l"u8, "x"u8));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a\0")]
    public void Illegal_names_are_refused(string name)
    {
        using NarWriter writer = new(new MemoryStream());
        writer.BeginDirectory([]);
        Assert.Throws<NarTreeException>(() => writer.BeginFile(System.Text.Encoding.UTF8.GetBytes(name), false, 0));
    }

    [Fact]
    public void Lengths_end_at_255_for_names_and_4095_for_targets()
    {
        MemoryStream stream = new();
        using NarWriter writer = new(stream);
        writer.BeginDirectory([]);
        writer.WriteSymlink(new string('a', 255).Select(c => (byte)c).ToArray(), new string('t', 4095).Select(c => (byte)c).ToArray());
        Assert.Throws<NarTreeException>(() => writer.WriteSymlink(new string('b', 256).Select(c => (byte)c).ToArray(), "t"u8));
        Assert.Throws<NarTreeException>(() => writer.WriteSymlink("b"u8, new string('t', 4096).Select(c => (byte)c).ToArray()));
        Assert.Throws<NarTreeException>(() => writer.WriteSymlink("b"u8, []));
    }

    [Fact]
    public void Directories_nest_64_deep_and_no_deeper()
    {
        using NarWriter writer = new(new MemoryStream());
        writer.BeginDirectory([]);
        for (int i = 1; i < NarRules.MaxDepth; i++)
            writer.BeginDirectory("d"u8);
        writer.WriteSymlink("a"u8, "x"u8);
        Assert.Throws<NarTreeException>(() => writer.BeginDirectory("d"u8));
    }

    [Fact]
    public void A_file_must_get_exactly_its_size()
    {
        using NarWriter writer = new(new MemoryStream());
        writer.BeginFile([], false, 3);
        writer.WriteFileBytes("ab"u8);
        Assert.Throws<InvalidOperationException>(writer.EndFile);
        Assert.Throws<InvalidOperationException>(() => writer.WriteFileBytes("cd"u8));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public async Task A_content_stream_of_another_length_is_refused(int length)
    {
        using NarWriter writer = new(new MemoryStream());
        await Assert.ThrowsAsync<InvalidDataException>(
            async () => await writer.WriteFileAsync(Array.Empty<byte>(), false, 3, new MemoryStream(new byte[length]), Token));
    }

    [Fact]
    public void Calls_out_of_sequence_are_refused()
    {
        using NarWriter writer = new(new MemoryStream());
        Assert.Throws<InvalidOperationException>(writer.Finish);
        Assert.Throws<InvalidOperationException>(writer.EndDirectory);
        Assert.Throws<ArgumentException>(() => writer.BeginDirectory("named root"u8));
        writer.BeginDirectory([]);
        Assert.Throws<InvalidOperationException>(writer.Finish);
        Assert.Throws<InvalidOperationException>(writer.EndFile);
        writer.EndDirectory();
        Assert.Throws<InvalidOperationException>(() => writer.WriteSymlink("a"u8, "x"u8));
        writer.Finish();
    }
}
