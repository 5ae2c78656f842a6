using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Node.Control;
using SharpCompress.Compressors.ZStandard;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.BinaryCache;

public sealed class CacheReadingTests(CacheNode shared) : IClassFixture<CacheNode>
{
    private static readonly string Root = $"/nix/{WholeNode.Repository}/";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_cache_tells_its_store_directory()
    {
        WholeNode node = shared.Node;
        Assert.Equal("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n", await node.Http.GetStringAsync(Root + "nix-cache-info", Token));
        Assert.Equal(HttpStatusCode.NotFound, (await node.Http.GetAsync("/nix/other.example.org/nix-cache-info", Token)).StatusCode);
    }

    [Fact]
    public async Task A_narinfo_is_signed_by_the_repository_and_no_longer_by_who_claims_to_be_it()
    {
        WholeNode node = shared.Node;
        SyntheticPath path = SyntheticPath.Package("hello", references: [SyntheticPath.NameOf("hello")]);
        var key = NixPublicKey.Parse((await node.Core.GetRepositoryAsync(WholeNode.Repository, Token)).NixPublicKey);
        string forged = key.Name + ":" + Convert.ToBase64String(new byte[64]);
        path = path with { Upload = path.Upload with { Info = path.Upload.Info with { Signatures = ["builder-1:AAAA", forged] } } };
        Assert.Equal(HttpStatusCode.NotFound, (await node.Http.GetAsync(InfoUrl(path), Token)).StatusCode);
        await node.PublishAsync(path);

        using HttpResponseMessage answer = await node.Http.GetAsync(InfoUrl(path), Token);
        NarInfo info = NarInfo.Parse(await answer.Content.ReadAsStringAsync(Token));

        Assert.Equal("text/x-nix-narinfo", answer.Content.Headers.ContentType!.ToString());
        Assert.Equal(path.Path, info.Path);
        Assert.Equal((NarCompression.None, path.Upload.Info.NarHash, path.Upload.Info.NarSize), (info.Compression, info.NarHash, info.NarSize));
        Assert.Equal([path.Path], info.References);
        Assert.Equal(2, info.Signatures.Count);
        Assert.Contains("builder-1:AAAA", info.Signatures);
        string fingerprint = Fingerprint.Of(info.StoreDirectory, info.ToPathInfo());
        Assert.Single(info.Signatures, s => key.Verify(fingerprint, s));
    }

    [Fact]
    public async Task A_narinfo_that_the_client_has_is_not_sent_again()
    {
        WholeNode node = shared.Node;
        SyntheticPath path = SyntheticPath.Package("known");
        await node.PublishAsync(path);
        using HttpResponseMessage first = await node.Http.GetAsync(InfoUrl(path), Token);
        using var again = new HttpRequestMessage(HttpMethod.Get, InfoUrl(path));
        again.Headers.IfNoneMatch.Add(first.Headers.ETag!);

        using HttpResponseMessage second = await node.Http.SendAsync(again, Token);
        using HttpResponseMessage head = await node.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, InfoUrl(path)), Token);

        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.Equal(first.Content.Headers.ContentLength, head.Content.Headers.ContentLength);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync(Token));
    }

    [Theory]
    [InlineData("inlined")]
    [InlineData("nested")]
    [InlineData("file")]
    [InlineData("chunked")]
    public async Task An_archive_is_what_was_registered(string kind)
    {
        WholeNode node = shared.Node;
        SyntheticPath path = TreeOf(kind);
        await node.PublishAsync(path);
        NarInfo info = NarInfo.Parse(await node.Http.GetStringAsync(InfoUrl(path), Token));

        using HttpResponseMessage answer = await node.Http.GetAsync(Root + info.Url, Token);
        byte[] nar = await answer.Content.ReadAsByteArrayAsync(Token);
        using HttpResponseMessage head = await node.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, Root + info.Url), Token);

        Assert.Equal(path.Upload.Info.NarHash, new NarHash(SHA256.HashData(nar)));
        Assert.Equal(path.Upload.Info.NarSize, answer.Content.Headers.ContentLength);
        Assert.Equal(path.Upload.Info.NarSize, head.Content.Headers.ContentLength);
        Assert.Contains(answer.Headers.CacheControl!.Extensions, e => e.Name == "immutable");
        Assert.Equal(HttpStatusCode.NotFound, (await node.Http.GetAsync(Root + info.Url.Replace(".nar", "0.nar", StringComparison.Ordinal), Token)).StatusCode);
    }

    [Fact]
    public async Task Any_part_of_an_archive_can_be_had()
    {
        WholeNode node = shared.Node;
        SyntheticPath path = TreeOf("chunked-parts");
        await node.PublishAsync(path);
        string url = Root + NarInfo.Parse(await node.Http.GetStringAsync(InfoUrl(path), Token)).Url;
        byte[] nar = await node.Http.GetByteArrayAsync(url, Token);

        for (int from = 0; from < nar.Length; from += 37)
        {
            int to = Math.Min(nar.Length, from + (from % 500)) - 1;
            if (to < from)
                continue;
            using var request = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { Range = new RangeHeaderValue(from, to) } };
            using HttpResponseMessage part = await node.Http.SendAsync(request, Token);
            Assert.Equal(HttpStatusCode.PartialContent, part.StatusCode);
            Assert.Equal(nar[from..(to + 1)], await part.Content.ReadAsByteArrayAsync(Token));
        }

        using var rest = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { Range = new RangeHeaderValue(100, null) } };
        using HttpResponseMessage tail = await node.Http.SendAsync(rest, Token);
        Assert.Equal(nar[100..], await tail.Content.ReadAsByteArrayAsync(Token));
        using var beyond = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { Range = new RangeHeaderValue(nar.Length, null) } };
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, (await node.Http.SendAsync(beyond, Token)).StatusCode);
    }

    [Fact]
    public async Task Below_zstd_archives_come_compressed()
    {
        WholeNode node = shared.Node;
        SyntheticPath path = TreeOf("nested-compressed");
        await node.PublishAsync(path);
        NarInfo info = NarInfo.Parse(await node.Http.GetStringAsync(Root + "zstd/" + path.Path.Value[..32] + ".narinfo", Token));

        byte[] file = await node.Http.GetByteArrayAsync(Root + "zstd/" + info.Url, Token);
        using var plain = new MemoryStream();
        using (var decompressor = new DecompressionStream(new MemoryStream(file)))
            decompressor.CopyTo(plain);

        Assert.Equal(NarCompression.Zstd, info.Compression);
        Assert.Equal(path.Upload.Info.NarHash, new NarHash(SHA256.HashData(plain.ToArray())));
    }

    [Fact]
    public async Task A_listing_says_where_each_content_lies()
    {
        WholeNode node = shared.Node;
        SyntheticPath path = SyntheticPath.Of("listed", SyntheticTree.Directory(
            ("a", SyntheticTree.File("hello\n")),
            ("empty", SyntheticTree.File("")),
            ("sub", SyntheticTree.Directory(("lnk", SyntheticTree.Symlink("../a")), ("run", SyntheticTree.File("#!/bin/sh\n", executable: true))))));
        await node.PublishAsync(path);

        string listing = await node.Http.GetStringAsync($"{Root}{path.Path.Value[..32]}.ls", Token);

        Assert.Equal(
            """{"version":1,"root":{"type":"directory","entries":{"a":{"type":"regular","size":6,"narOffset":232},"empty":{"type":"regular","size":0,"narOffset":424},"sub":{"type":"directory","entries":{"lnk":{"type":"symlink","target":"../a"},"run":{"type":"regular","size":10,"executable":true,"narOffset":968}}}}}}""",
            listing);
    }

    private static string InfoUrl(SyntheticPath path) => $"{Root}{path.Path.Value[..32]}.narinfo";

    private static SyntheticPath TreeOf(string kind) => kind switch
    {
        "inlined" => SyntheticPath.Of(kind, SyntheticTree.Directory(("b", SyntheticTree.File("b")), ("a", SyntheticTree.Symlink("b")), ("a.b", SyntheticTree.File("", executable: true)))),
        "nested" or "nested-compressed" => SyntheticPath.Package(kind, files: 40),
        "file" => SyntheticPath.Of(kind, SyntheticTree.File("alone", executable: true, compressed: false)),
        _ => SyntheticPath.Of(kind, SyntheticTree.Directory(
            ("chunked", SyntheticTree.File(new string('c', 1000) + new string('d', 999), chunkSize: 100)),
            ("plain", SyntheticTree.File(new string('e', 500), compressed: false, chunkSize: 33)),
            ("whole", SyntheticTree.File(new string('f', 777))))),
    };
}
