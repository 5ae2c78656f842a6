using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf;
using Xunit;
using StoredContent = CvmfsNix.Cluster.Contracts.Publishing.StoredContent;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>Trees that only a hostile or broken builder sends.</summary>
[Collection(RefusingNodeTests.Name)]
public sealed class HostileTreeTests(RefusingNode node)
{
    private const long MemoryForATreeMax = 400L << 20;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static TheoryData<string, byte[][], string> IllegalNames => new()
    {
        { "parent", [".."u8.ToArray()], "\"..\"" },
        { "self", ["."u8.ToArray()], "\".\"" },
        { "slash", ["a/b"u8.ToArray()], "\"a/b\"" },
        { "NUL", ["a\0b"u8.ToArray()], "\"a\\x00b\"" },
        { "empty", [[]], "0 bytes" },
        { "long", [[.. Enumerable.Repeat((byte)'x', 256)]], "256 bytes" },
        { "duplicate", ["same"u8.ToArray(), "same"u8.ToArray()], "\"same\" comes twice" },
        { "disorder", ["b"u8.ToArray(), "a"u8.ToArray()], "\"a\" does not come after \"b\"" },
    };

    [Theory]
    [MemberData(nameof(IllegalNames))]
    public Task An_entry_with_an_illegal_name(string what, byte[][] names, string says) => node.RefusesAsync(async () =>
    {
        Assert.NotEmpty(what);
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        await builder.AddPathAsync(names.Select(n => Link(n)), new Refusal(1, "InvalidTree", builder.NewPath.Value, says), Ct);
    });

    [Theory]
    [InlineData(4096)]
    [InlineData(100_000)]
    [InlineData(0)]
    public Task A_symbolic_link_longer_than_a_path(int bytes) => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        await builder.AddPathAsync(
            [Link("far"u8.ToArray(), new string('x', bytes))], new Refusal(1, "InvalidTree", builder.NewPath.Value, "\"far\"", $"{bytes} bytes", "4095"), Ct);
    });

    [Fact]
    public Task A_directory_of_a_million_entries() => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        long before = node.Process.PeakResidentBytes();
        await builder.AddPathAsync(
            Enumerable.Range(0, 1_000_000).Select(i => Link(Encoding.ASCII.GetBytes($"{i:d7}"))),
            new Refusal(1, "InvalidTree", builder.NewPath.Value, $"more than {TreeLimits.EntriesMax} "),
            Ct);
        long grown = node.Process.PeakResidentBytes() - before;
        TestContext.Current.SendDiagnosticMessage($"the node grew by {grown >> 20} MiB");
        Assert.True(grown < MemoryForATreeMax, $"the node grew by {grown} bytes");
    });

    [Fact]
    public Task Directories_nested_beyond_measure() => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        await builder.AddPathAsync(
            Enumerable.Range(0, 100_000).Select(_ => new TreeEntry { Kind = TreeEntryKind.DirectoryBegin, Name = ByteString.CopyFromUtf8("d") }),
            new Refusal(1, "InvalidTree", builder.NewPath.Value, $"deeper than {TreeLimits.DepthMax}"),
            Ct);
    });

    [Fact]
    public Task A_path_whose_content_is_not_what_its_NAR_hash_says() => node.RefusesAsync(
        async () =>
        {
            using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
            byte[] plain = "the real content"u8.ToArray();
            await builder.UploadAsync(await HostileBuilder.PackAsync(plain), Ct);
            await builder.AddPathAsync(
                [FileOf(plain, plain)], new Refusal(1, "NarHashMismatch", builder.NewPath.Value, new NarHash(new byte[NarHash.Size]).ToString()), Ct);
        },
        objectsMayStay: true);

    [Fact]
    public Task A_file_whose_objects_hold_something_else() => node.RefusesAsync(
        async () =>
        {
            using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
            byte[] sent = "what was sent"u8.ToArray();
            await builder.UploadAsync(await HostileBuilder.PackAsync(sent), Ct);
            await builder.AddPathAsync(
                [FileOf(sent, "what is said"u8.ToArray())], new Refusal(1, "ContentMismatch", builder.NewPath.Value + "/file"), Ct);
        },
        objectsMayStay: true);

    [Fact]
    public Task A_file_whose_object_was_never_sent() => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        byte[] never = "this was never sent to anybody"u8.ToArray();
        string name = HostileBuilder.NameOf(ObjectCompression.Compress(never), ObjectKind.Data).ToString();
        await builder.AddPathAsync([FileOf(never, never)], new Refusal(1, "ObjectMissing", builder.NewPath.Value, name), Ct);
    });

    [Fact]
    public Task Another_content_for_a_content_addressed_path_whatever_the_policy() => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = HostileBuilder.Of(node);
        var other = new NarHash(SHA256.HashData("another content"u8));
        BeginRequest question = builder.Question(
            new PathQuery { Path = node.Committed.Path.Value, NarHash = ByteString.CopyFrom(other.ToArray()), ContentAddressed = true });
        await HostileBuilder.RefusedAsync(
            async () => await builder.Client.BeginAsync(question, cancellationToken: Ct),
            new Refusal(
                1, "StorePathConflict", node.Committed.Path.Value, $"{node.Committed.NarHash} and {node.Committed.NarSize} bytes", other.ToString()));
    });

    private static TreeEntry Link(byte[] name, string target = "x") =>
        new() { Kind = TreeEntryKind.Symlink, Name = ByteString.CopyFrom(name), Target = ByteString.CopyFromUtf8(target) };

    private static TreeEntry FileOf(byte[] sent, byte[] said) => new()
    {
        Kind = TreeEntryKind.Regular,
        Name = ByteString.CopyFromUtf8("file"),
        Sha256 = ByteString.CopyFrom(SHA256.HashData(said)),
        Content = new StoredContent
        {
            Size = sent.Length,
            Compressed = true,
            Hash = ByteString.CopyFrom(HostileBuilder.NameOf(ObjectCompression.Compress(sent), ObjectKind.Data).Hash.ToArray()),
        },
    };
}
