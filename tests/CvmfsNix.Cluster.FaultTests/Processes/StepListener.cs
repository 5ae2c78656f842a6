using System.Net.Sockets;
using System.Text;

namespace CvmfsNix.Cluster.FaultTests.Processes;

/// <summary>One announcement of a node: it waits at this step until it is let pass.</summary>
internal sealed record StepMark(int Number, string Step, string Subject);

/// <summary>A node that waits at a step.</summary>
internal sealed class HeldStep(StepMark mark, TaskCompletionSource release)
{
    public StepMark Mark { get; } = mark;

    public void Release() => release.TrySetResult();
}

/// <summary>
/// The other end of the node's step probe. Steps pass as they come, except the one that is armed: there the action runs
/// while the node is blocked, so that what it does (a kill) certainly hits that step.
/// </summary>
internal sealed class StepListener : IAsyncDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _ended = new();
    private readonly Lock _lock = new();
    private readonly Task _accepting;
    private readonly Action<StepMark>? _seen;
    private int _count;
    private Armed? _armed;

    /// <param name="seen">Called for each step while the node waits there.</param>
    public StepListener(Action<StepMark>? seen = null)
    {
        _seen = seen;
        // A short path: the kernel takes 107 bytes.
        SocketPath = Path.Combine(Path.GetTempPath(), $"cns-{Guid.NewGuid():N}");
        _socket.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _socket.Listen(128);
        _accepting = AcceptAsync();
    }

    public string SocketPath { get; }

    /// <summary>The step announced last.</summary>
    public string LastStep { get; private set; } = "";

    /// <summary>Runs <paramref name="action"/> at the n-th announcement of a step from now on; the node stays blocked there.</summary>
    /// <returns>Ends with the step after the action ran.</returns>
    public Task<StepMark> ArmAsync(string step, int occurrence, Action action)
    {
        var armed = new Armed(step, occurrence, action, release: null);
        lock (_lock)
            _armed = armed;
        return armed.Hit.Task;
    }

    /// <summary>Keeps the node at the next announcement of a step (any, if empty) until it is released; a frozen or killed node may be released too.</summary>
    /// <returns>The step it waits at; null when it did not come within the time.</returns>
    public async Task<HeldStep?> HoldAsync(string step, TimeSpan within, CancellationToken cancellationToken)
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var armed = new Armed(step, 1, static () => { }, release);
        lock (_lock)
            _armed = armed;
        using (var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
        {
            await Task.WhenAny(armed.Hit.Task, Task.Delay(within, bounded.Token));
            await bounded.CancelAsync();
        }

        lock (_lock)
        {
            if (_armed == armed)
            {
                _armed = null;
                return null;
            }
        }

        return new HeldStep(await armed.Hit.Task, release);
    }

    /// <summary>Runs <paramref name="action"/> at the n-th announcement of any step from now on.</summary>
    public Task<StepMark> ArmAnyAsync(int occurrence, Action action) => ArmAsync("", occurrence, action);

    public void Disarm()
    {
        lock (_lock)
            _armed = null;
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _socket.Dispose();
        await _accepting;
        _ended.Dispose();
        File.Delete(SocketPath);
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket peer = await _socket.AcceptAsync(_ended.Token);
                _ = Task.Run(() => AnswerAsync(peer));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The listener ends.
        }
    }

    private async Task AnswerAsync(Socket peer)
    {
        using Socket ended = peer;
        try
        {
            var line = new List<byte>();
            var buffer = new byte[256];
            while (!line.Contains((byte)'\n'))
            {
                int n = await peer.ReceiveAsync(buffer, _ended.Token);
                if (n == 0)
                    return;
                line.AddRange(buffer.AsSpan(0, n));
            }

            string[] words = Encoding.UTF8.GetString([.. line]).TrimEnd('\n').Split(' ', 2);
            Armed? hit = null;
            StepMark mark;
            lock (_lock)
            {
                mark = new StepMark(++_count, words[0], words.Length > 1 ? words[1] : "");
                LastStep = mark.Step;
                _seen?.Invoke(mark);
                if (_armed is { } armed && (armed.Step.Length == 0 || armed.Step == mark.Step) && --armed.Left == 0)
                {
                    hit = armed;
                    _armed = null;
                }
            }

            if (hit is not null)
            {
                hit.Action();
                hit.Hit.TrySetResult(mark);
                if (hit.Release is null)
                    return;
                await hit.Release.Task.WaitAsync(_ended.Token);
            }

            await peer.SendAsync(new byte[] { 1 }, _ended.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The node was killed elsewhere, or the listener ends.
        }
    }

    private sealed class Armed(string step, int left, Action action, TaskCompletionSource? release)
    {
        public TaskCompletionSource? Release { get; } = release;

        public string Step { get; } = step;

        public int Left { get; set; } = left;

        public Action Action { get; } = action;

        public TaskCompletionSource<StepMark> Hit { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
