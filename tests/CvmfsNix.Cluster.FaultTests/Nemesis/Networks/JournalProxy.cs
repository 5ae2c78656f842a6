using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Networks;

/// <summary>
/// Stands between the nodes and PostgreSQL and reads what the server answers, message by message. When armed, it lets an append of a
/// repository's writer commit and closes the connection before the answer: the writer cannot know.
/// </summary>
internal sealed class JournalProxy : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly int _port;
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _accepting;
    private Cut? _cut;

    /// <param name="host">Address to listen at.</param>
    /// <param name="port">PostgreSQL's port on loopback.</param>
    public JournalProxy(string host, int port)
    {
        _port = port;
        _listener = new TcpListener(IPAddress.Parse(host), 0);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Cuts the connection of the next append that holds the persistence id, after its commit.</summary>
    /// <returns>Ends when that happened.</returns>
    public Task CutAfterCommitAsync(string persistenceId)
    {
        var cut = new Cut(Encoding.UTF8.GetBytes(persistenceId), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        Volatile.Write(ref _cut, cut);
        return cut.Done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _listener.Stop();
        await _accepting;
        _ended.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient node = await _listener.AcceptTcpClientAsync(_ended.Token);
                _ = ServeAsync(node, _ended.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The proxy ends.
        }
    }

    private async Task ServeAsync(TcpClient node, CancellationToken ended)
    {
        using TcpClient client = node;
        using var server = new TcpClient();
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, _port, ended);
            (client.NoDelay, server.NoDelay) = (true, true);
            var session = new Session();
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ended);
            Task[] both = [ToServerAsync(client, server, session, either.Token), ToClientAsync(server, client, session, either.Token)];
            await Task.WhenAny(both);
            await either.CancelAsync();
            await Task.WhenAll(both);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // One side went; the other follows, at once and without a good-bye.
        }

        client.LingerState = new LingerOption(true, 0);
    }

    private async Task ToServerAsync(TcpClient client, TcpClient server, Session session, CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = await client.GetStream().ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (Volatile.Read(ref _cut) is { } cut && IsAppend(buffer.AsSpan(0, read), cut.PersistenceId))
                session.Touched = true;
            await server.GetStream().WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }
    }

    private async Task ToClientAsync(TcpClient server, TcpClient client, Session session, CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        int held = 0;
        int read;
        while ((read = await server.GetStream().ReadAsync(buffer.AsMemory(held), cancellationToken)) > 0)
        {
            held += read;
            int whole = 0;
            while (MessageLength(buffer.AsSpan(whole, held - whole), session) is > 0 and var length && length <= held - whole)
            {
                if (Commits(buffer.AsSpan(whole, length), session) && Interlocked.Exchange(ref _cut, null) is { } cut)
                {
                    cut.Done.TrySetResult();
                    return;
                }

                whole += length;
            }

            await client.GetStream().WriteAsync(buffer.AsMemory(0, whole), cancellationToken);
            buffer.AsSpan(whole, held - whole).CopyTo(buffer);
            held -= whole;
            if (held == buffer.Length)
                Array.Resize(ref buffer, 2 * buffer.Length);
        }
    }

    // A replay names the id too, and a snapshot is not what is meant. Statement and parameters come in one piece.
    private static bool IsAppend(ReadOnlySpan<byte> sent, byte[] persistenceId) =>
        sent.IndexOf(persistenceId) >= 0 && sent.IndexOf("INSERT"u8) >= 0 && sent.IndexOf("journal"u8) >= 0;

    // 0: more bytes are needed.
    private static int MessageLength(ReadOnlySpan<byte> bytes, Session session)
    {
        if (bytes.IsEmpty)
            return 0;
        // Before the first real message a refused offer of encryption is one byte.
        if (!session.Begun && bytes[0] == 'N')
            return 1;
        session.Begun = true;
        return bytes.Length < 5 ? 0 : 1 + BinaryPrimitives.ReadInt32BigEndian(bytes[1..]);
    }

    private static bool Commits(ReadOnlySpan<byte> message, Session session)
    {
        switch (message[0])
        {
            case (byte)'C' when message[5..].StartsWith("INSERT"u8) || message[5..].StartsWith("COPY"u8):
                session.Inserted |= session.Touched;
                return false;
            case (byte)'C' when message[5..].StartsWith("COMMIT"u8):
                return session.Inserted;
            // Before the insert is answered this is the answer to something that was sent with it, such as the reset of a pooled connection.
            case (byte)'Z' when message[5] == 'I' && session.Inserted:
                (session.Touched, session.Inserted) = (false, false);
                return true;
            default:
                return false;
        }
    }

    private sealed class Session
    {
        public bool Begun;
        public volatile bool Touched;
        public bool Inserted;
    }

    private sealed record Cut(byte[] PersistenceId, TaskCompletionSource Done);
}
