using System.Buffers.Binary;
using CsCheck;
using CvmfsNix.Cluster.Nix.Archives;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Archives;

public sealed class NarReaderTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_contents_stand_where_nix_says()
    {
        using NarReader reader = new(new MemoryStream(NarVectors.Tree.Write()), computeHash: true);
        Dictionary<string, long> offsets = [];
        while (await reader.ReadAsync(Token) is { } step)
        {
            if (step.Kind == NarEventKind.File)
                offsets.Add(System.Text.Encoding.ASCII.GetString(step.Name.Span), step.ContentOffset);
        }

        Assert.Equal(new Dictionary<string, long> { ["a"] = 232, ["empty"] = 424, ["run"] = 968 }, offsets);
        Assert.Equal(NarVectors.TreeHash, reader.Digest.Hash.ToString());
        Assert.Equal(NarVectors.TreeSize, reader.Digest.NarSize);
        Assert.Equal(NarVectors.TreeSize, reader.Offset);
    }

    [Fact]
    public async Task Any_tree_comes_back_however_the_stream_is_cut() =>
        await Gen.Select(NarTree.Any, Gen.Int[1, 70_000].Array[1, 6], Gen.Int[1, 9].Array[1, 4], Gen.Bool).SampleAsync(async (tree, large, small, useSmall) =>
        {
            byte[] nar = tree.Write();
            int[] sizes = useSmall && nar.Length < 20_000 ? small : large;
            Assert.Equal(tree.Describe(), await NarTree.ReadAsync(new FragmentedStream(nar, sizes), Token));
        });

    [Fact]
    public async Task Contents_that_are_not_read_or_half_read_are_skipped_and_still_hashed() =>
        await Gen.Select(NarTree.Any, Gen.Int[0, 90_000]).SampleAsync(async (tree, taken) =>
        {
            byte[] nar = tree.Write();
            using NarReader reader = new(new FragmentedStream(nar, [40_000, 3]), computeHash: true);
            int steps = 0;
            byte[] buffer = new byte[100_000];
            while (await reader.ReadAsync(Token) is { } step)
            {
                steps++;
                await step.Content.ReadAtLeastAsync(buffer.AsMemory(0, taken), taken, throwOnEndOfStream: false, Token);
            }

            Assert.Equal(tree.Describe().Count, steps);
            Assert.Equal(System.Security.Cryptography.SHA256.HashData(nar), reader.Digest.Hash.ToArray());
        });

    [Fact]
    public async Task Content_cannot_be_read_after_the_next_step()
    {
        using NarReader reader = new(new MemoryStream(NarVectors.FileNar));
        NarEvent file = (await reader.ReadAsync(Token))!;
        Assert.Null(await reader.ReadAsync(Token));
        Assert.Null(await reader.ReadAsync(Token));
        Assert.Throws<InvalidOperationException>(() => file.Content.ReadByte());
    }

    [Fact]
    public async Task Every_cut_is_noticed()
    {
        byte[] nar = NarVectors.Tree.Write();
        for (int length = 0; length < nar.Length; length++)
        {
            NarFormatException e = await Assert.ThrowsAsync<NarFormatException>(() => NarTree.ReadAsync(new MemoryStream(nar, 0, length), Token));
            Assert.Equal(length, e.Offset);
        }
    }

    [Fact]
    public async Task Every_changed_byte_outside_of_contents_names_and_targets_is_noticed()
    {
        List<string> right = NarVectors.Tree.Describe();
        byte[] nar = NarVectors.Tree.Write();
        for (int i = 0; i < nar.Length; i++)
        {
            byte[] changed = [.. nar];
            changed[i] ^= 0x80;
            try
            {
                List<string> read = await NarTree.ReadAsync(new MemoryStream(changed), Token);
                Assert.True(right.Count == read.Count && right.Zip(read, (a, b) => a != b).Count(differs => differs) == 1, $"byte {i}");
            }
            catch (NarFormatException)
            {
                // Noticed.
            }
        }
    }

    [Fact]
    public async Task Padding_must_be_zero()
    {
        byte[] nar = [.. NarVectors.FileNar];
        nar[102] = 1;
        NarFormatException e = await Assert.ThrowsAsync<NarFormatException>(() => NarTree.ReadAsync(new MemoryStream(nar), Token));
        Assert.Equal(102, e.Offset);
        nar = [.. NarVectors.FileNar];
        nar[23] = 1;
        await Assert.ThrowsAsync<NarFormatException>(() => NarTree.ReadAsync(new MemoryStream(nar), Token));
    }

    [Fact]
    public async Task Bytes_after_the_end_are_refused()
    {
        NarFormatException e = await Assert.ThrowsAsync<NarFormatException>(() => NarTree.ReadAsync(new MemoryStream([.. NarVectors.FileNar, 0]), Token));
        Assert.Equal(120, e.Offset);
        Assert.Contains("end of the archive", e.Expected, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("b", "a")]
    [InlineData("a", "a")]
    [InlineData("a", ".")]
    [InlineData("a", "..")]
    [InlineData("a", "b/c")]
    [InlineData("a", "b\0c")]
    [InlineData("a", "")]
    public async Task Illegal_and_unordered_names_are_refused(string first, string second)
    {
        RawNar nar = new("nix-archive-1", "(", "type", "directory");
        foreach (string name in (string[])[first, second])
            nar.Add("entry", "(", "name", name, "node", "(", "type", "symlink", "target", "x", ")", ")");
        nar.Add(")");
        await Assert.ThrowsAsync<NarFormatException>(() => NarTree.ReadAsync(nar.Open(), Token));
    }

    [Theory]
    [InlineData("(", "type", "regular", "executable", "x", "contents", "", ")")]
    [InlineData("(", "type", "regular", "contents", "", "executable", "", ")")]
    [InlineData("(", "type", "regular", ")")]
    [InlineData("(", "type", "symlink", "target", "", ")")]
    [InlineData("(", "type", "symlink", "target", "a\0b", ")")]
    [InlineData("(", "type", "fifo", ")")]
    [InlineData("(", "type", "directory", "entry", "(", "name", "a", "node", "(", "type", "directory", ")", ")")]
    [InlineData("(", "type", "directory", ")", ")")]
    public async Task Words_out_of_the_grammar_are_refused(params string[] words) =>
        await Assert.ThrowsAsync<NarFormatException>(() => NarTree.ReadAsync(new RawNar(["nix-archive-1", .. words]).Open(), Token));

    [Theory]
    [InlineData(256, 1)]
    [InlineData(1, 4096)]
    public async Task Names_and_targets_beyond_their_limits_are_refused(int name, int target)
    {
        RawNar nar = new("nix-archive-1", "(", "type", "directory", "entry", "(", "name", new string('n', name), "node");
        nar.Add("(", "type", "symlink", "target", new string('t', target), ")", ")", ")");
        await Assert.ThrowsAsync<NarFormatException>(() => NarTree.ReadAsync(nar.Open(), Token));
    }

    [Theory]
    [InlineData(NarRules.MaxDepth, true)]
    [InlineData(NarRules.MaxDepth + 1, false)]
    [InlineData(100_000, false)]
    public async Task Nesting_ends_at_the_limit(int depth, bool valid)
    {
        RawNar nar = new("nix-archive-1");
        for (int i = 1; i < depth; i++)
            nar.Add("(", "type", "directory", "entry", "(", "name", "d", "node");
        nar.Add("(", "type", "directory", ")");
        for (int i = 1; i < depth; i++)
            nar.Add(")", ")");
        if (valid)
            Assert.Equal(2 * depth, (await NarTree.ReadAsync(nar.Open(), Token)).Count);
        else
            Assert.Contains("inside one another", (await Assert.ThrowsAsync<NarFormatException>(() => NarTree.ReadAsync(nar.Open(), Token))).Expected, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData((ulong)long.MaxValue)]
    [InlineData(1UL << 40)]
    public async Task A_size_that_is_not_there_costs_no_memory(ulong size)
    {
        byte[] nar = [.. NarVectors.FileNar];
        BinaryPrimitives.WriteUInt64LittleEndian(nar.AsSpan(88), size);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        await Assert.ThrowsAsync<NarFormatException>(() => NarTree.ReadAsync(new MemoryStream(nar), Token));
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 64L << 20);
    }

    [Fact]
    public async Task Damaged_archives_are_read_or_refused_but_nothing_else() =>
        await Gen.Select(NarTree.Any, Gen.Select(Gen.Int[0, 1_000_000], Gen.Byte, Gen.Int[0, 2]).Array[1, 4]).SampleAsync(
            async (tree, damages) =>
            {
                List<byte> nar = [.. tree.Write()];
                foreach ((int position, byte value, int kind) in damages)
                {
                    int at = position % nar.Count;
                    if (kind == 0)
                        nar[at] = value;
                    else if (kind == 1)
                        nar.Insert(at, value);
                    else if (nar.Count > 1)
                        nar.RemoveAt(at);
                }

                await AcceptOrRefuseAsync([.. nar]);
            },
            iter: 500);

    [Fact]
    public async Task Arbitrary_bytes_are_refused() =>
        await Gen.Select(Gen.Byte.Array[0, 300], Gen.Int[0, 120]).SampleAsync(async (bytes, kept) => await AcceptOrRefuseAsync([.. NarVectors.FileNar[..kept], .. bytes]));

    [Fact]
    public async Task A_reader_that_failed_does_not_go_on()
    {
        using NarReader reader = new(new MemoryStream("junk junk junk junk"u8.ToArray()));
        await Assert.ThrowsAsync<NarFormatException>(async () => await reader.ReadAsync(Token));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.ReadAsync(Token));
    }

    private static async Task AcceptOrRefuseAsync(byte[] nar)
    {
        try
        {
            List<string> read = await NarTree.ReadAsync(new MemoryStream(nar), Token);
            Assert.NotEmpty(read);
        }
        catch (NarFormatException e)
        {
            Assert.InRange(e.Offset, 0, nar.Length);
        }
    }

    /// <summary>Words as they stand, whether they make an archive or not.</summary>
    private sealed class RawNar
    {
        private readonly List<byte> _bytes = [];

        public RawNar(params string[] words) => Add(words);

        public void Add(params string[] words)
        {
            foreach (string word in words)
            {
                byte[] text = System.Text.Encoding.UTF8.GetBytes(word);
                _bytes.AddRange(BitConverter.GetBytes((ulong)text.Length));
                _bytes.AddRange(text);
                _bytes.AddRange(new byte[-text.Length & 7]);
            }
        }

        public MemoryStream Open() => new([.. _bytes]);
    }
}
