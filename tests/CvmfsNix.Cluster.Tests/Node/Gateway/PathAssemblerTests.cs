using CsCheck;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf;
using Xunit;
using WireContent = CvmfsNix.Cluster.Contracts.Publishing.StoredContent;

namespace CvmfsNix.Cluster.Tests.Node.Gateway;

public sealed class PathAssemblerTests
{
    internal const string PathA = "7rjj86a15146cq1d3qy068lml7n7ykzm-a";
    internal const string PathB = "8rjj86a15146cq1d3qy068lml7n7ykzm-b";

    [Fact]
    public void A_nested_tree_comes_out_as_it_went_in()
    {
        var assembler = new PathAssembler(HashAlgorithmId.Sha1);
        assembler.Begin(Header(PathA, PathA, PathB));
        assembler.Add(Part(Begin(""), Begin("bin"), File("tool", executable: true), End()));
        assembler.Add(Part(Link("lib", "bin"), File("z"), End()));
        PathUpload upload = assembler.End();

        Assert.False(assembler.InPath);
        Assert.Equal(PathA, upload.Info.Path.Value);
        Assert.Equal([PathA, PathB], upload.Info.References.Select(r => r.Value));
        Assert.Equal(["bin", "lib", "z"], upload.Root.Children.Select(c => Text(c.Name)));
        TreeNode tool = Assert.Single(upload.Root.Children[0].Children);
        Assert.Equal((TreeNodeKind.Regular, true, 5L), (tool.Kind, tool.Executable, tool.Content!.Size));
        Assert.Equal("bin", Text(upload.Root.Children[1].Target));
    }

    [Fact]
    public void A_path_may_be_a_single_file()
    {
        var assembler = new PathAssembler(HashAlgorithmId.Sha1);
        assembler.Begin(Header(PathA));
        assembler.Add(Part(File("")));
        Assert.Equal(TreeNodeKind.Regular, assembler.End().Root.Kind);
    }

    public static TheoryData<string, TreeEntry[]> Malformed => new()
    {
        { "order", [Begin(""), File("b"), File("a"), End()] },
        { "twice", [Begin(""), File("a"), File("a"), End()] },
        { "not ended", [Begin(""), Begin("a"), End()] },
        { "ended too often", [Begin(""), End(), End()] },
        { "two roots", [File(""), File("")] },
        { "named root", [File("a")] },
        { "slash", [Begin(""), File("a/b"), End()] },
        { "dots", [Begin(""), File(".."), End()] },
        { "unnamed child", [Begin(""), File(""), End()] },
        { "nul", [Begin(""), File("a\0"), End()] },
        { "long name", [Begin(""), File(new string('a', 256)), End()] },
        { "no entry", [] },
        { "unknown kind", [new TreeEntry { Kind = (TreeEntryKind)9 }] },
        { "empty target", [Link("", "")] },
        { "no content", [new TreeEntry { Kind = TreeEntryKind.Regular, Sha256 = Bytes(32) }] },
        { "gap between chunks", [Chunked(10, (0, 4), (5, 5))] },
        { "chunks too short", [Chunked(10, (0, 4))] },
        { "chunks too long", [Chunked(10, (0, 4), (4, 7))] },
        { "short hash", [new TreeEntry { Kind = TreeEntryKind.Regular, Sha256 = Bytes(32), Content = new WireContent { Size = 1, Hash = Bytes(19) } }] },
        { "too deep", [Begin(""), .. Enumerable.Repeat(Begin("d"), TreeLimits.DepthMax)] },
        { "too many in a message", [Begin(""), .. Enumerable.Range(0, PathAssembler.EntriesPerMessageMax).Select(i => File($"{i:D8}"))] },
    };

    [Theory]
    [MemberData(nameof(Malformed), DisableDiscoveryEnumeration = true)]
    public void A_malformed_tree_is_refused_with_its_path(string problem, TreeEntry[] entries)
    {
        var assembler = new PathAssembler(HashAlgorithmId.Sha1);
        assembler.Begin(Header(PathA));
        NodeException e = Assert.Throws<NodeException>(() =>
        {
            assembler.Add(Part(entries));
            assembler.End();
        });
        Assert.True(e.Error.Code is NodeCodes.InvalidTree or NodeCodes.InvalidRequest, problem);
        Assert.Equal(PathA, e.Error.What);
    }

    [Fact]
    public void A_malformed_header_is_refused()
    {
        PathHeader[] headers =
        [
            With(h => h.Path = "nonsense"), With(h => h.NarHash = Bytes(31)), With(h => h.NarSize = 0), With(h => h.Deriver = "x"),
            With(h => h.References.AddRange([PathB, PathA])), With(h => h.References.AddRange([PathA, PathA])), With(h => h.ContentAddress = new string('x', 2000)),
        ];
        Assert.All(headers, h => Assert.Throws<NodeException>(() => new PathAssembler(HashAlgorithmId.Sha1).Begin(h)));
    }

    [Fact]
    public void Any_sequence_of_entries_is_taken_or_refused_and_what_is_taken_is_ordered()
    {
        Gen<TreeEntry> entry = Gen.Select(Gen.Int[0, 5], Gen.Int[0, 4].Select(i => new[] { "", "a", "b", "c", "." }[i]), (kind, name) => kind switch
        {
            0 => Begin(name),
            1 or 2 => End(),
            3 => Link(name, "t"),
            4 => File(name),
            _ => new TreeEntry { Kind = (TreeEntryKind)kind, Name = ByteString.CopyFromUtf8(name) },
        });
        entry.Array[0, 12].Sample(entries =>
        {
            var assembler = new PathAssembler(HashAlgorithmId.Sha1);
            assembler.Begin(Header(PathA));
            try
            {
                assembler.Add(Part(entries));
                AssertOrdered(assembler.End().Root);
            }
            catch (NodeException)
            {
                // Refused with a reason: right for most sequences.
            }
        });
    }

    internal static PathHeader Header(string path, params string[] references)
    {
        var header = new PathHeader { Path = path, NarHash = Bytes(32), NarSize = 100 };
        header.References.AddRange(references);
        return header;
    }

    internal static TreePart Part(params TreeEntry[] entries)
    {
        var part = new TreePart();
        part.Entries.AddRange(entries);
        return part;
    }

    internal static TreeEntry File(string name, bool executable = false) => new()
    {
        Kind = TreeEntryKind.Regular,
        Name = ByteString.CopyFromUtf8(name),
        Executable = executable,
        Sha256 = Bytes(32),
        Content = new WireContent { Size = 5, Compressed = true, Hash = Bytes(20) },
    };

    private static TreeEntry Begin(string name) => new() { Kind = TreeEntryKind.DirectoryBegin, Name = ByteString.CopyFromUtf8(name) };

    private static TreeEntry End() => new() { Kind = TreeEntryKind.DirectoryEnd };

    private static TreeEntry Link(string name, string target) =>
        new() { Kind = TreeEntryKind.Symlink, Name = ByteString.CopyFromUtf8(name), Target = ByteString.CopyFromUtf8(target) };

    private static TreeEntry Chunked(long size, params (long Offset, long Size)[] chunks)
    {
        var content = new WireContent { Size = size };
        content.Chunks.AddRange(chunks.Select(c => new StoredPart { Offset = c.Offset, Size = c.Size, Hash = Bytes(20) }));
        return new TreeEntry { Kind = TreeEntryKind.Regular, Sha256 = Bytes(32), Content = content };
    }

    private static PathHeader With(Action<PathHeader> change)
    {
        PathHeader header = Header(PathA);
        change(header);
        return header;
    }

    internal static ByteString Bytes(int count) => ByteString.CopyFrom([.. Enumerable.Repeat((byte)7, count)]);

    private static string Text(ReadOnlyMemory<byte> bytes) => System.Text.Encoding.UTF8.GetString(bytes.Span);

    private static void AssertOrdered(TreeNode node)
    {
        for (int i = 1; i < node.Children.Count; i++)
            Assert.True(node.Children[i - 1].Name.Span.SequenceCompareTo(node.Children[i].Name.Span) < 0);
        foreach (TreeNode child in node.Children)
        {
            Assert.False(child.Name.IsEmpty);
            AssertOrdered(child);
        }
    }
}
