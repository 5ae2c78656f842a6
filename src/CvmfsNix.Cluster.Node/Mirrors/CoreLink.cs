using System.Net.Security;
using CvmfsNix.Cluster.Actors.Mirrors;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Replication.Sources;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>
/// The way to the core: dials out to one node after the other until one answers, follows it, and begins again when it is lost. It never ends
/// because of the core, and what is served does not depend on it.
/// </summary>
public sealed class CoreLink : BackgroundService
{
    private const string RemovedCode = "ReplicaRemoved";
    private static readonly TimeSpan PauseMin = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RefusedPause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SettledAfter = TimeSpan.FromSeconds(10);

    private readonly MirrorChoice _choice;
    private readonly NodeOptions _options;
    private readonly IMirrorFeed _feed;
    private readonly NodeAddresses _addresses;
    private readonly ReplicaIdentity _identity;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly TimeProvider _time;
    private readonly ILogger<CoreLink> _log;
    private readonly CoreUrls _urls;
    private readonly string? _token;
    private readonly SslClientAuthenticationOptions _tls;
    private string _said = "";
    private IReadOnlyList<Uri> _siblings = [];

    /// <param name="options">Of the node; it is a mirror of a cluster.</param>
    /// <param name="feed">What is told of everything.</param>
    /// <param name="addresses">Of this node.</param>
    /// <param name="identity">Who this mirror is.</param>
    /// <param name="lifetime">Tells when the ports are bound.</param>
    /// <param name="time">The time.</param>
    /// <param name="tls">Of connections to core nodes that speak TLS.</param>
    /// <param name="log">For people.</param>
    public CoreLink(
        NodeOptions options, IMirrorFeed feed, NodeAddresses addresses, ReplicaIdentity identity, IHostApplicationLifetime lifetime, TimeProvider time, SslClientAuthenticationOptions tls, ILogger<CoreLink> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _feed, _addresses, _identity, _lifetime, _time, _tls, _log) = (options, feed, addresses, identity, lifetime, time, tls, log);
        _choice = options.Mirror ?? throw new ArgumentException("The node is no mirror.", nameof(options));
        _urls = new CoreUrls(_choice.Cores);
        _token = ReplicaToken.Read(options.Access.TokenFile);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await _feed.OpenedAsync(stoppingToken);
        await StartedAsync(stoppingToken);
        _log.LogInformation("This mirror is {Replica} of the site {Site}", _identity.Id, _options.Membership.Site);
        foreach (Uri url in _choice.Cores.Where(u => _token is not null && u.Scheme == Uri.UriSchemeHttp && !u.IsLoopback))
            _log.LogWarning("The token travels to {Url} in clear text; use https beyond a private network", url);
        TimeSpan pause = PauseMin;
        while (!stoppingToken.IsCancellationRequested)
        {
            Uri url = _urls.Next();
            bool answered = false;
            long began = _time.GetTimestamp();
            string why;
            bool refused = false;
            try
            {
                using var stream = new FollowStream(url, _token, _feed, _time, _tls);
                why = await stream.RunAsync(Hello(), _siblings, welcome => { answered = true; Welcomed(url, welcome); }, Sources, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (RpcException e) when (IsRemoved(e))
            {
                Removed(e.Status.Detail);
                return;
            }
            catch (RpcException e)
            {
                refused = e.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied or StatusCode.Unimplemented or StatusCode.Aborted or StatusCode.FailedPrecondition or StatusCode.InvalidArgument;
                why = refused ? $"{url} refuses: {e.Status.Detail}" : $"{url} is lost: {Innermost(e)}";
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                why = $"{url} is lost: {e.Message}";
            }

            if (answered)
            {
                _urls.Answered();
                // A node that lets go again and again at once is not asked again and again at once.
                if (_time.GetElapsedTime(began) > SettledAfter)
                    pause = PauseMin;
                _log.LogWarning("Not followed any longer: {Why}", why);
            }

            string text = $"It waits for a core node to follow: {why}.";
            _feed.NotFollowing(text);
            if (!answered && _urls.RoundDone)
            {
                // Said once for each reason, not at every try.
                if (why != _said)
                    _log.LogWarning("{Waiting} Asked were {Urls}; what is here is served, and it is tried again", text, string.Join(", ", _urls.All));
                _said = why;
                _urls.BeginRound();
            }
            else if (!refused && !answered)
            {
                continue;
            }

            TimeSpan wait = refused ? RefusedPause : pause;
            await Task.Delay(wait * (0.7 + (0.6 * Random.Shared.NextDouble())), _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < PauseMax ? pause * 2 : PauseMax;
        }
    }

    private ReplicaHelloParts Hello() => new(
        _identity.Id, _options.Membership.Site, _addresses.PublicDataUrl ?? "", _choice.Repositories);

    private void Welcomed(Uri url, Contracts.Replication.Welcome welcome)
    {
        _said = "";
        _urls.Learn(welcome.CoreUrls);
        _feed.Following(url.ToString().TrimEnd('/'));
        _log.LogInformation("Follows {Node} at {Url}", welcome.Node, url);
    }

    private void Sources(IReadOnlyList<Uri> core, IReadOnlyList<Uri> siblings)
    {
        _siblings = siblings;
        _feed.Sources.Set = new SourceSet
        {
            Self = _addresses.PublicDataUrl is { } self ? new Uri(self) : null,
            Siblings = [.. _choice.Siblings.Concat(siblings).Distinct().Where(u => u.ToString().TrimEnd('/') != _addresses.PublicDataUrl)],
            Core = core,
        };
    }

    // An operator said that this mirror is no more: to come back by itself would undo it.
    private void Removed(string detail)
    {
        string text = $"This mirror was removed from the cluster ({detail}). What is here is served on; start it again to have it follow anew, or stop it.";
        _log.LogError("{Removed}", text);
        _feed.NotFollowing(text);
    }

    private static bool IsRemoved(RpcException e)
    {
        try
        {
            return e.StatusCode == StatusCode.FailedPrecondition
                && e.Trailers.GetValueBytes(ErrorMapping.DetailTrailer) is { } bytes
                && ErrorDetail.Parser.ParseFrom(bytes).Code == RemovedCode;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }

    private static string Innermost(RpcException e)
    {
        Exception? inner = e.Status.DebugException;
        while (inner?.InnerException is { } deeper)
            inner = deeper;
        return inner?.Message ?? (e.Status.Detail.Length > 0 ? e.Status.Detail : e.StatusCode.ToString());
    }

    private async Task StartedAsync(CancellationToken ct)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = _lifetime.ApplicationStarted.Register(() => started.TrySetResult());
        await started.Task.WaitAsync(ct);
    }
}

/// <summary>What a mirror says of itself when it begins to follow.</summary>
/// <param name="Replica">Its id.</param>
/// <param name="Site">Its datacenter.</param>
/// <param name="DataUrl">How siblings reach it; empty = they cannot.</param>
/// <param name="Repositories">What it mirrors; empty = all.</param>
public sealed record ReplicaHelloParts(string Replica, string Site, string DataUrl, IReadOnlyList<string> Repositories);
