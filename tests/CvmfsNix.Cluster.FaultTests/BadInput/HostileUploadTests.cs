using System.Net;
using System.Net.Sockets;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Store.Packs;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>Object packs that only a hostile or broken builder sends.</summary>
[Collection(RefusingNodeTests.Name)]
public sealed class HostileUploadTests(RefusingNode node)
{
    private const long MemoryForABombMax = 64L << 20;

    private static readonly byte[] Text = Encoding.UTF8.GetBytes("content that nobody has sent before");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(5)]
    [InlineData(30)]
    [InlineData(70)]
    [InlineData(-1)]
    public Task An_upload_that_ends_too_early(int bytes) => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        byte[] pack = await HostileBuilder.PackAsync(Text);
        await builder.UploadAsync(bytes < 0 ? pack[..^1] : pack[..bytes], HttpStatusCode.BadRequest, new Refusal(1, "InvalidPack", "pack", "truncated"), Ct);
    });

    [Fact]
    public Task An_upload_whose_connection_breaks() => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        byte[] pack = await HostileBuilder.PackAsync(Text);
        using (var connection = new TcpClient())
        {
            await connection.ConnectAsync(builder.UploadUrl.Host, builder.UploadUrl.Port, Ct);
            string head = $"POST {builder.UploadUrl.AbsolutePath} HTTP/1.1\r\nHost: {builder.UploadUrl.Authority}\r\nContent-Length: {pack.Length}\r\n\r\n";
            await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(head), Ct);
            await connection.GetStream().WriteAsync(pack.AsMemory(0, pack.Length / 2), Ct);
        }

        string scratch = Path.Combine(node.Data, "cvmfs", RefusingNode.Repository, "data", "txn");
        await Deadline.UntilAsync(() => Task.FromResult(!Directory.EnumerateFiles(scratch).Any()), "the half upload is removed", Ct);
        // The transaction is not spoilt by it.
        await builder.UploadAsync(await HostileBuilder.PackAsync([]), Ct);
    });

    [Theory]
    [InlineData(ObjectKind.Catalog)]
    [InlineData(ObjectKind.History)]
    [InlineData(ObjectKind.Certificate)]
    [InlineData(ObjectKind.MetaInfo)]
    public Task An_upload_of_what_the_repository_makes_itself(ObjectKind kind) => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        string name = HostileBuilder.NameOf(ObjectCompression.Compress(Text), kind).ToString();
        await builder.UploadAsync(await HostileBuilder.PackAsync(Text, kind), HttpStatusCode.Conflict, new Refusal(1, "ForbiddenObject", name, name), Ct);
    });

    [Fact]
    public Task An_object_whose_bytes_are_not_those_of_its_name() => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        byte[] stored = ObjectCompression.Compress(Text);
        ObjectName wrong = HostileBuilder.NameOf("something else"u8.ToArray(), ObjectKind.Data);
        byte[] pack = await HostileBuilder.PackAsync(new PackedObject(wrong, CompressionAlgorithm.Zlib, stored.Length, Text.Length), stored);
        await builder.UploadAsync(
            pack, HttpStatusCode.Conflict, new Refusal(1, "ObjectCorrupt", wrong.ToString(), HostileBuilder.NameOf(stored, ObjectKind.Data).ToString()), Ct);
    });

    [Fact]
    public Task An_object_that_cannot_be_inflated() => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        byte[] garbage = [.. Enumerable.Range(0, 300).Select(i => (byte)(i * 37))];
        ObjectName name = HostileBuilder.NameOf(garbage, ObjectKind.Data);
        byte[] pack = await HostileBuilder.PackAsync(new PackedObject(name, CompressionAlgorithm.Zlib, garbage.Length, 1000), garbage);
        await builder.UploadAsync(pack, HttpStatusCode.Conflict, new Refusal(1, "ObjectCorrupt", name.ToString(), name.ToString()), Ct);
    });

    [Fact]
    public Task A_small_object_that_inflates_without_end() => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        byte[] bomb = ObjectCompression.Compress(new byte[200 << 20]);
        ObjectName name = HostileBuilder.NameOf(bomb, ObjectKind.Data);
        long before = node.Process.PeakResidentBytes();
        foreach (long claimed in (long[])[10, 60 << 20])
        {
            byte[] pack = await HostileBuilder.PackAsync(new PackedObject(name, CompressionAlgorithm.Zlib, bomb.Length, claimed), bomb);
            await builder.UploadAsync(
                pack, HttpStatusCode.Conflict, new Refusal(1, "ObjectCorrupt", name.ToString(), $"more than the {claimed} bytes"), Ct);
        }

        byte[] honest = await HostileBuilder.PackAsync(new PackedObject(name, CompressionAlgorithm.Zlib, bomb.Length, 200 << 20), bomb);
        await builder.UploadAsync(honest, HttpStatusCode.BadRequest, new Refusal(1, "InvalidPack", "pack", $"at most {PackLimits.Default.ObjectPlainBytesMax}"), Ct);
        long grown = node.Process.PeakResidentBytes() - before;
        Assert.True(grown < MemoryForABombMax, $"the node grew by {grown} bytes");
    });

    [Fact]
    public Task A_body_that_is_no_pack() => node.RefusesAsync(async () =>
    {
        using HostileBuilder builder = await HostileBuilder.BeginAsync(node, Ct);
        await builder.UploadAsync(Encoding.UTF8.GetBytes("<html>not a pack at all</html>"), HttpStatusCode.BadRequest, new Refusal(1, "InvalidPack", "pack", "no object pack"), Ct);
    });
}
