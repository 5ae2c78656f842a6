using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Packs;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Xunit;
using PublishingService = CvmfsNix.Cluster.Contracts.Publishing.Publishing;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>A builder that speaks the protocol but keeps none of its rules: one open transaction, and whatever bytes it likes.</summary>
internal sealed class HostileBuilder : IDisposable
{
    private const string DetailTrailer = "cvmfsnix-error-bin";

    private readonly GrpcChannel _channel;
    private readonly HttpClient _http = new();
    private readonly string _repository;

    private HostileBuilder(string address, string repository)
    {
        _channel = GrpcChannel.ForAddress(address);
        _repository = repository;
        Client = new PublishingService.PublishingClient(_channel);
    }

    public PublishingService.PublishingClient Client { get; }

    public string Transaction { get; } = Guid.CreateVersion7().ToString();

    public Uri UploadUrl { get; private set; } = null!;

    /// <summary>A base name of a path that is not there.</summary>
    public StorePathName NewPath { get; } = StorePathName.Create(Guid.CreateVersion7().ToByteArray().Concat(new byte[StorePathName.HashSize - 16]).ToArray(), "hostile");

    public static async Task<HostileBuilder> BeginAsync(RefusingNode node, CancellationToken cancellationToken)
    {
        var builder = new HostileBuilder(node.Addresses.Grpc, RefusingNode.Repository);
        BeginReply begun = await builder.Client.BeginAsync(
            builder.Question(new PathQuery { Path = builder.NewPath.Value, NarHash = ByteString.CopyFrom(new byte[NarHash.Size]) }), cancellationToken: cancellationToken);
        Assert.Equal([PathPresence.Missing], begun.Paths.Presence);
        builder.UploadUrl = new Uri(begun.UploadUrl);
        return builder;
    }

    /// <summary>A builder that has not begun anything.</summary>
    public static HostileBuilder Of(RefusingNode node) => new(node.Addresses.Grpc, RefusingNode.Repository);

    /// <summary>A first question of this transaction.</summary>
    public BeginRequest Question(params PathQuery[] paths) => new()
    {
        Repository = _repository,
        Transaction = Transaction,
        RequestDigest = ByteString.CopyFrom(new byte[32]),
        Paths = { paths },
        Last = true,
        Builder = "hostile",
    };

    /// <summary>Posts a body as an object pack; it must be refused.</summary>
    public async Task UploadAsync(byte[] body, HttpStatusCode status, Refusal refusal, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using HttpResponseMessage response = await _http.PostAsync(UploadUrl, content, cancellationToken);
        string answer = await response.Content.ReadAsStringAsync(cancellationToken);
        Assert.True(status == response.StatusCode, $"{(int)response.StatusCode} {answer}");
        using JsonDocument document = JsonDocument.Parse(answer);
        refusal.Check(document.RootElement.GetProperty("error"));
    }

    /// <summary>Posts a good pack.</summary>
    public async Task UploadAsync(byte[] body, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(body);
        using HttpResponseMessage response = await _http.PostAsync(UploadUrl, content, cancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    /// <summary>Sends a path with these entries below its root directory; it must be refused.</summary>
    public Task AddPathAsync(IEnumerable<TreeEntry> entries, Refusal refusal, CancellationToken cancellationToken) => AddPathAsync(
        new PathHeader { Path = NewPath.Value, NarHash = ByteString.CopyFrom(new byte[NarHash.Size]), NarSize = 1 },
        [new TreeEntry { Kind = TreeEntryKind.DirectoryBegin }, .. entries, new TreeEntry { Kind = TreeEntryKind.DirectoryEnd }],
        refusal,
        cancellationToken);

    /// <summary>Sends a path; it must be refused.</summary>
    public async Task AddPathAsync(PathHeader header, IEnumerable<TreeEntry> entries, Refusal refusal, CancellationToken cancellationToken)
    {
        using AsyncClientStreamingCall<AddPathsRequest, AddPathsReply> call = Client.AddPaths(cancellationToken: cancellationToken);
        try
        {
            await WriteAsync(new AddPathsRequest { Header = new AddPathsHeader { Repository = _repository, Transaction = Transaction } });
            await WriteAsync(new AddPathsRequest { Path = header });
            foreach (TreeEntry[] part in entries.Chunk(2000))
                await WriteAsync(new AddPathsRequest { Tree = new TreePart { Entries = { part } } });
            await WriteAsync(new AddPathsRequest { End = new PathEnd() });
            await call.RequestStream.CompleteAsync();
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException)
        {
            // The node had enough before everything was said; its answer tells why.
        }

        await RefusedAsync(() => call.ResponseAsync, refusal);

        Task WriteAsync(AddPathsRequest message) => call.RequestStream.WriteAsync(message, cancellationToken);
    }

    /// <summary>Runs a call that must be refused.</summary>
    public static async Task RefusedAsync(Func<Task> call, Refusal refusal)
    {
        RpcException e = await Assert.ThrowsAsync<RpcException>(call);
        ErrorDetail detail = ErrorDetail.Parser.ParseFrom(e.Trailers.GetValueBytes(DetailTrailer) ?? []);
        refusal.Check(detail.Code, detail.Message, detail.What, detail.Hint);
    }

    /// <summary>A pack of one object that is what its header says.</summary>
    public static Task<byte[]> PackAsync(byte[] plain, ObjectKind kind = ObjectKind.Data)
    {
        byte[] stored = ObjectCompression.Compress(plain);
        return PackAsync(new PackedObject(NameOf(stored, kind), CompressionAlgorithm.Zlib, stored.Length, plain.Length), stored);
    }

    /// <summary>A pack of one object with a header of one's own.</summary>
    public static async Task<byte[]> PackAsync(PackedObject header, byte[] stored)
    {
        using var pack = new MemoryStream();
        var writer = new ObjectPackWriter(pack);
        await writer.WriteAsync(header, stored, CancellationToken.None);
        await writer.FinishAsync(CancellationToken.None);
        return pack.ToArray();
    }

    public static ObjectName NameOf(byte[] stored, ObjectKind kind) => new(ObjectHasher.Hash(HashAlgorithmId.Sha1, stored), kind);

    public void Dispose()
    {
        _http.Dispose();
        _channel.Dispose();
    }
}
