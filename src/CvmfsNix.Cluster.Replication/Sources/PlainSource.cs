using System.Net;
using CvmfsNix.Cluster.Replication.Fetching;

namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>A stock server, or any that serves a repository's folder: one object a request.</summary>
internal sealed class PlainSource(Uri repositoryUrl, HttpClient http, ReplicationLimits limits, TimeProvider clock) : Source(repositoryUrl, false, limits, clock)
{
    // Requests one after the other on a stream; more streams, not longer ones, make it faster.
    private const int ItemsPerStream = 8;

    private readonly string _prefix = repositoryUrl.AbsoluteUri.TrimEnd('/') + "/";

    public override int ItemsMax => ItemsPerStream;

    public override async Task FetchAsync(FetchJob job, CancellationToken cancellationToken)
    {
        foreach (Wanted wanted in job.Items)
        {
            long started = Clock.GetTimestamp();
            using HttpResponseMessage? answer = await AskAsync(wanted.Item.Object.RelativePath, cancellationToken).ConfigureAwait(false);
            if (answer is null)
                continue;
            TimeSpan toFirst = Clock.GetElapsedTime(started);
            Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            var watched = new WatchedStream(body, this, job, Limits.StallTimeout, cancellationToken);
            await using (watched.ConfigureAwait(false))
                await job.ReceiveAsync(wanted, answer.Content.Headers.ContentLength ?? -1, watched, cancellationToken).ConfigureAwait(false);
            Learn(watched.BytesRead, toFirst, Clock.GetElapsedTime(started));
        }
    }

    /// <summary>A named file whole; null when it is not there.</summary>
    /// <exception cref="SourceException">The server failed, or sends more than <paramref name="bytesMax"/>.</exception>
    public async Task<byte[]?> ReadNamedAsync(string name, int bytesMax, CancellationToken cancellationToken)
    {
        using HttpResponseMessage? answer = await AskAsync(name, cancellationToken).ConfigureAwait(false);
        if (answer is null)
            return null;
        Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var watched = new WatchedStream(body, this, null, Limits.StallTimeout, cancellationToken);
        await using (watched.ConfigureAwait(false))
        {
            var bytes = new byte[bytesMax + 1];
            int read = await watched.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            if (read > bytesMax)
                throw new SourceException($"{name} at {Url} is longer than {bytesMax} bytes.");
            if (answer.Content.Headers.ContentLength is { } length && length != read)
                throw new SourceException($"{name} at {Url} broke off after {read} of {length} bytes.");
            return bytes[..read];
        }
    }

    private async Task<HttpResponseMessage?> AskAsync(string path, CancellationToken cancellationToken)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bounded.CancelAfter(Limits.StallTimeout);
        HttpResponseMessage? answer = null;
        try
        {
            answer = await http.GetAsync(new Uri(_prefix + path), HttpCompletionOption.ResponseHeadersRead, bounded.Token).ConfigureAwait(false);
            if (answer.StatusCode == HttpStatusCode.OK)
                return answer;
            // Servers that must not list folders say 403 for what is not there.
            if (answer.StatusCode is not (HttpStatusCode.NotFound or HttpStatusCode.Gone or HttpStatusCode.Forbidden))
                throw new SourceException($"{Url} answered {(int)answer.StatusCode} for {path}.");
            answer.Dispose();
            return null;
        }
        catch (Exception e)
        {
            answer?.Dispose();
            if (e is SourceException || (e is OperationCanceledException && cancellationToken.IsCancellationRequested))
                throw;
            throw new SourceException(e is OperationCanceledException ? $"{Url} did not answer for {Limits.StallTimeout.TotalSeconds:0.#} s." : $"{Url} cannot be reached: {e.Message}", e);
        }
    }
}
