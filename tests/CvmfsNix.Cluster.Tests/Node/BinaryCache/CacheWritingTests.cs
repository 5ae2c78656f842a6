using System.Net;
using System.Net.Sockets;
using System.Text;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Node.Control;
using SharpCompress.Compressors.ZStandard;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.BinaryCache;

public sealed class CacheWritingTests(CacheNode shared) : IClassFixture<CacheNode>
{
    private static readonly string Root = $"/nix/{WholeNode.Repository}/";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private HttpClient Http => shared.Node.Http;

    [Fact]
    public async Task What_is_pushed_is_served_as_soon_as_the_narinfo_is_answered()
    {
        NarText path = NarText.Of("pushed", Content(5000));
        await PushedAsync(path);

        NarInfo served = NarInfo.Parse(await Http.GetStringAsync(Root + path.HashPart + ".narinfo", Token));
        Assert.Equal(path.File, await Http.GetByteArrayAsync(Root + served.Url, Token));
    }

    [Fact]
    public async Task Archives_may_come_before_those_of_their_references_and_compressed()
    {
        NarText low = NarText.Of("order-low", Content(100));
        NarText high = Zstd("order-high", Content(12_000_000), low.Info.Path);
        await AcceptedAsync(PutAsync("nar/" + high.Name, high.File));
        await AcceptedAsync(PutAsync("nar/" + low.Name, low.File));
        await RefusedAsync(PutAsync(high.HashPart + ".narinfo", high.Info.ToString()), HttpStatusCode.Conflict, "MissingReference");
        await AcceptedAsync(PutAsync(low.HashPart + ".narinfo", low.Info.ToString()));
        await AcceptedAsync(PutAsync(high.HashPart + ".narinfo", high.Info.ToString()));

        NarInfo served = NarInfo.Parse(await Http.GetStringAsync(Root + high.HashPart + ".narinfo", Token));
        Assert.Equal(high.Info.NarHash, NarText.Hash(await Http.GetByteArrayAsync(Root + served.Url, Token)));
    }

    [Fact]
    public async Task The_same_again_is_a_success_and_needs_no_archive()
    {
        NarText path = NarText.Of("again", Content(300));
        await PushedAsync(path);
        ulong revision = (await shared.Node.Core.GetRepositoryAsync(WholeNode.Repository, Token)).Revision;

        using HttpResponseMessage head = await Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, Root + "nar/" + path.Name), Token);
        await PushedAsync(path);

        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.Equal(revision, (await shared.Node.Core.GetRepositoryAsync(WholeNode.Repository, Token)).Revision);
    }

    [Fact]
    public async Task Another_content_is_not_taken_and_the_first_is_kept()
    {
        NarText first = NarText.Of("twice", Content(300)), second = NarText.Of("twice", Content(301));
        await PushedAsync(first);
        await AcceptedAsync(PutAsync("nar/" + second.Name, second.File));

        using HttpResponseMessage answer = await PutAsync(second.HashPart + ".narinfo", second.Info.ToString());

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.StartsWith("DifferentContentKept: ", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(first.Info.NarHash, NarInfo.Parse(await Http.GetStringAsync(Root + first.HashPart + ".narinfo", Token)).NarHash);
    }

    [Fact]
    public async Task Logs_and_realisations_are_kept_as_they_come()
    {
        foreach (string file in (string[])["log/0123456789abcdfghijklmnpqrsvwxyz-x.drv", "realisations/sha256:00!out.doi", "build-trace-v2/x.drv/out.doi"])
        {
            Assert.Equal(HttpStatusCode.NotFound, (await Http.GetAsync(Root + file, Token)).StatusCode);
            await AcceptedAsync(PutAsync(file, "first"));
            await AcceptedAsync(PutAsync(file, "what " + file));
            Assert.Equal("what " + file, await Http.GetStringAsync(Root + file, Token));
        }

        await AcceptedAsync(PutAsync("0123456789abcdfghijklmnpqrsvwxyz.ls", "{}"));
        await AcceptedAsync(PutAsync("nix-cache-info", "StoreDir: /nix/store\n"));
        await RefusedAsync(PutAsync("nix-cache-info", "StoreDir: /other/store\n"), HttpStatusCode.BadRequest, "/nix/store");
        await RefusedAsync(PutAsync("other", "x"), HttpStatusCode.BadRequest, "no such file");
    }

    [Fact]
    public async Task Eight_clients_push_the_same_at_once()
    {
        NarText low = NarText.Of("eight-low", Content(700)), high = NarText.Of("eight-high", Content(800), SyntheticPath.NameOf("eight-low"));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            await PushedAsync(low);
            await PushedAsync(high);
        }));
        Assert.Equal(HttpStatusCode.OK, (await Http.GetAsync(Root + high.HashPart + ".narinfo", Token)).StatusCode);
    }

    [Fact]
    public async Task A_narinfo_that_does_not_fit_its_archive_is_refused()
    {
        NarText path = NarText.Of("misfit", Content(400)), other = NarText.Of("misfit-other", Content(401));
        await AcceptedAsync(PutAsync("nar/" + path.Name, path.File));
        string info = path.HashPart + ".narinfo";

        await RefusedAsync(PutAsync(info, (path.Info with { NarHash = other.Info.NarHash }).ToString()), HttpStatusCode.BadRequest, "NarHashMismatch");
        await RefusedAsync(PutAsync(info, (path.Info with { NarSize = 1L << 60 }).ToString()), HttpStatusCode.BadRequest, "NarHashMismatch");
        await RefusedAsync(PutAsync(info, (path.Info with { FileSize = 1 }).ToString()), HttpStatusCode.BadRequest, "InvalidNarInfo");
        await RefusedAsync(PutAsync(info, (path.Info with { Url = "nar/" + other.Name }).ToString()), HttpStatusCode.Conflict, "ArchiveMissing");
        await RefusedAsync(PutAsync(info, (path.Info with { StoreDirectory = StoreDirectory.Parse("/other/store") }).ToString()), HttpStatusCode.BadRequest, "InvalidNarInfo");
        await RefusedAsync(PutAsync(other.HashPart + ".narinfo", path.Info.ToString()), HttpStatusCode.BadRequest, "InvalidNarInfo");
        await RefusedAsync(PutAsync(info, path.Info.ToString()[..^1]), HttpStatusCode.BadRequest, "InvalidNarInfo");
        await RefusedAsync(PutAsync(info, (path.Info with { ContentAddress = "fixed:r:sha256:" + path.Info.NarHash.ToNix32() }).ToString()), HttpStatusCode.Conflict, "ContentAddressMismatch");
        Assert.Equal(HttpStatusCode.NotFound, (await Http.GetAsync(Root + info, Token)).StatusCode);

        await AcceptedAsync(PutAsync(info, path.Info.ToString()));
    }

    [Theory]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData(".")]
    public async Task An_archive_with_a_name_that_climbs_out_is_refused(string name)
    {
        NarText good = NarText.Of("names", Content(10));
        byte[] bad = Replace(good.File, "data", name.PadRight(4, '\0')[..4], name.Length);
        Assert.NotEqual(good.File, bad);
        string file = NarText.Hash(bad).ToNix32() + ".nar";
        await RefusedAsync(PutAsync("nar/" + file, bad), HttpStatusCode.BadRequest, "InvalidArchive");
    }

    [Fact]
    public async Task An_archive_that_is_none_is_refused_and_leaves_nothing()
    {
        string scratch = Path.Combine(shared.Node.Data, "cvmfs", WholeNode.Repository, "data", "txn");
        string[] before = Directory.GetFiles(scratch);
        NarText good = NarText.Of("damaged", Content(5001));
        byte[] flipped = [.. good.File];
        flipped[^200] ^= 1;
        await RefusedAsync(PutAsync("nar/" + good.Name, flipped), HttpStatusCode.BadRequest, "InvalidArchive");
        await RefusedAsync(PutAsync("nar/" + good.Name, good.File[..^8]), HttpStatusCode.BadRequest, "InvalidArchive");
        await RefusedAsync(PutAsync("nar/" + good.Name, [.. good.File, 0]), HttpStatusCode.BadRequest, "InvalidArchive");
        byte[] huge = [.. good.File];
        BitConverter.TryWriteBytes(huge.AsSpan(IndexOf(good.File, "contents") + 8), long.MaxValue / 2);
        await RefusedAsync(PutAsync($"nar/{NarText.Hash(huge).ToNix32()}.nar", huge), HttpStatusCode.BadRequest, "InvalidArchive");
        foreach (string suffix in (string[])[".nar.xz", ".nar.zst"])
            await RefusedAsync(PutAsync($"nar/{NarText.Hash(good.File).ToNix32()}{suffix}", good.File), HttpStatusCode.BadRequest, "InvalidArchive");
        await RefusedAsync(PutAsync($"nar/{NarText.Hash(good.File).ToNix32()}.nar.bz2", good.File), HttpStatusCode.BadRequest, "InvalidRequest");
        await RefusedAsync(PutAsync("nar/x.nar", good.File), HttpStatusCode.BadRequest, "InvalidRequest");
        Assert.Equal(HttpStatusCode.NotFound, (await Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, Root + "nar/" + good.Name), Token)).StatusCode);
        Assert.Empty(Directory.GetFiles(scratch).Except(before));
    }

    [Fact]
    public async Task A_length_beyond_all_room_is_refused_before_anything_is_sent()
    {
        string file = NarText.Hash([]).ToNix32() + ".nar";
        string answer = await RawAsync($"PUT {Root}nar/{file} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {1L << 60}\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 413 ", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("100 Continue", answer, StringComparison.Ordinal);
        Assert.Contains("TooLarge", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_repository_is_refused_before_anything_is_sent()
    {
        string answer = await RawAsync($"PUT /nix/other.example.org/nix-cache-info HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 404 ", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_upload_that_stalls_is_ended_and_told()
    {
        string file = NarText.Hash([1]).ToNix32() + ".nar";
        string answer = await RawAsync($"PUT {Root}nar/{file} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabcd");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains("UploadStalled", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_signed_paths_are_taken_where_the_policy_says_so()
    {
        NixSecretKey trusted = NixSecretKey.Generate("trusted-1"), other = NixSecretKey.Generate("trusted-1");
        string policy = Path.Combine(shared.Node.Data, "keys", WholeNode.Repository + ".nix.policy");
        NarText path = NarText.Of("signed", Content(60));
        string fingerprint = Fingerprint.Of(StoreDirectory.Default, path.Info.ToPathInfo());
        await AcceptedAsync(PutAsync("nar/" + path.Name, path.File));
        await File.WriteAllTextAsync(policy, $"writers = trusted-signatures\ntrusted-public-keys = {trusted.PublicKey}\n", Token);
        try
        {
            await RefusedAsync(PutAsync(path.HashPart + ".narinfo", path.Info.ToString()), HttpStatusCode.Forbidden, "no good signature");
            await RefusedAsync(PutAsync(path.HashPart + ".narinfo", (path.Info with { Signatures = [other.Sign(fingerprint)] }).ToString()), HttpStatusCode.Forbidden, "no good signature");
            await AcceptedAsync(PutAsync(path.HashPart + ".narinfo", (path.Info with { Signatures = [trusted.Sign(fingerprint)] }).ToString()));
        }
        finally
        {
            File.Delete(policy);
        }
    }

    private static byte[] Content(int size)
    {
        var bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        // Half of it shrinks.
        bytes.AsSpan(0, size / 2).Fill(7);
        return bytes;
    }

    private static NarText Zstd(string name, byte[] content, params StorePathName[] references)
    {
        byte[] nar = NarText.Of(name, content).File;
        using var file = new MemoryStream();
        using (var compressor = new CompressionStream(file, 3, 0, true))
            compressor.Write(nar);
        return NarText.Of(name, nar, file.ToArray(), ".nar.zst", NarCompression.Zstd, references);
    }

    private static byte[] Replace(byte[] nar, string name, string by, int length)
    {
        byte[] bad = [.. nar];
        int at = IndexOf(nar, "\u0004\0\0\0\0\0\0\0" + name);
        Encoding.Latin1.GetBytes(by).CopyTo(bad, at + 8);
        bad[at] = (byte)length;
        return bad;
    }

    private static int IndexOf(byte[] bytes, string text) => bytes.AsSpan().IndexOf(Encoding.Latin1.GetBytes(text));

    private async Task PushedAsync(NarText path)
    {
        await AcceptedAsync(PutAsync("nar/" + path.Name, path.File));
        await AcceptedAsync(PutAsync(path.HashPart + ".narinfo", path.Info.ToString()));
    }

    private Task<HttpResponseMessage> PutAsync(string file, string body) => PutAsync(file, Encoding.ASCII.GetBytes(body));

    private Task<HttpResponseMessage> PutAsync(string file, byte[] body) => Http.PutAsync(Root + file, new ByteArrayContent(body), Token);

    private static async Task AcceptedAsync(Task<HttpResponseMessage> sent)
    {
        using HttpResponseMessage answer = await sent;
        Assert.True(answer.IsSuccessStatusCode, $"{answer.StatusCode} {await answer.Content.ReadAsStringAsync(Token)}");
    }

    private static async Task RefusedAsync(Task<HttpResponseMessage> sent, HttpStatusCode status, string words)
    {
        using HttpResponseMessage answer = await sent;
        string text = await answer.Content.ReadAsStringAsync(Token);
        Assert.Equal((status, true, text), (answer.StatusCode, text.Contains(words, StringComparison.Ordinal), text));
        Assert.Equal(1, text.Count(c => c == '\n'));
    }

    private async Task<string> RawAsync(string request)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", Http.BaseAddress!.Port, Token);
        NetworkStream stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), Token);
        // The server lingers for a body that never comes: the answer ends with its one line.
        var answer = new StringBuilder();
        byte[] block = new byte[4096];
        int read;
        while (!(answer.Length > 0 && answer[^1] == '\n' && answer.ToString().TrimEnd('\n').Contains("\r\n\r\n", StringComparison.Ordinal)) && (read = await stream.ReadAsync(block, Token)) > 0)
            answer.Append(Encoding.ASCII.GetString(block, 0, read));
        return answer.ToString();
    }
}
