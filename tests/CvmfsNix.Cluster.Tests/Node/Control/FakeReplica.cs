using CvmfsNix.Cluster.Contracts.Replication;
using Grpc.Core;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Control;

/// <summary>A mirror that only listens, over real gRPC.</summary>
internal sealed class FakeReplica : IDisposable
{
    private readonly AsyncDuplexStreamingCall<FromReplica, ToReplica> _call;

    private FakeReplica(AsyncDuplexStreamingCall<FromReplica, ToReplica> call) => _call = call;

    /// <summary>The last event it was told of.</summary>
    public long Sequence { get; private set; }

    public static async Task<FakeReplica> FollowAsync(WholeNode node, string id, long sequence = 0, ulong revision = 0, string? token = null, Action<ReplicaHello>? change = null)
    {
        var headers = new Metadata();
        if (token is not null)
            headers.Add("authorization", $"Bearer {token}");
        var replica = new FakeReplica(node.Replication.Follow(headers, cancellationToken: TestContext.Current.CancellationToken)) { Sequence = sequence };
        var hello = new ReplicaHello { Protocol = 1, Replica = id, Site = "geneva", DataUrl = $"http://{id}:8000" };
        if (sequence > 0)
            hello.Positions.Add(new RepositoryPosition { Repository = WholeNode.Repository, Sequence = sequence, Revision = revision });
        change?.Invoke(hello);
        try
        {
            await replica._call.RequestStream.WriteAsync(new FromReplica { Hello = hello }, TestContext.Current.CancellationToken);
        }
        catch (RpcException)
        {
            // Refused before its hello was sent; how the stream ended says why.
        }

        return replica;
    }

    /// <summary>The next message of any kind.</summary>
    public async Task<ToReplica> NextAsync()
    {
        Assert.True(await _call.ResponseStream.MoveNext(TestContext.Current.CancellationToken), "The stream ended.");
        ToReplica message = _call.ResponseStream.Current;
        if (message.Event is { } e)
        {
            Assert.Equal(Sequence + 1, e.Sequence);
            Sequence = e.Sequence;
        }

        return message;
    }

    /// <summary>The next message that fits; others are passed over.</summary>
    public async Task<ToReplica> UntilAsync(Func<ToReplica, bool> condition)
    {
        while (true)
        {
            ToReplica message = await NextAsync();
            if (condition(message))
                return message;
        }
    }

    /// <summary>The next event that holds a revision.</summary>
    public async Task<RevisionEvent> RevisionAsync() => (await UntilAsync(m => m.Event?.Revision is not null)).Event.Revision;

    /// <summary>Says where it stands.</summary>
    public Task TellAsync(ulong revision) => _call.RequestStream.WriteAsync(
        new FromReplica { Position = new RepositoryPosition { Repository = WholeNode.Repository, Sequence = Sequence, Revision = revision } }, TestContext.Current.CancellationToken);

    /// <summary>Why the stream ended; it must.</summary>
    public async Task<RpcException> EndAsync() => await Assert.ThrowsAsync<RpcException>(async () =>
    {
        while (await _call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
        {
        }
    });

    public void Dispose() => _call.Dispose();
}
