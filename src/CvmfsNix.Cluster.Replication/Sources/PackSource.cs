using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Replication.Fetching;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Replication.Sources;

/// <summary>One of our own nodes: many items a request.</summary>
internal sealed class PackSource(Uri url, bool isSibling, HttpClient http, ReplicationLimits limits, TimeProvider clock) : Source(url, isSibling, limits, clock)
{
    private const int ReasonMax = 300;

    public override int ItemsMax => Limits.RequestItemsMax;

    public override async Task FetchAsync(FetchJob job, CancellationToken cancellationToken)
    {
        var asked = new Dictionary<StoreItem, Wanted>(job.Items.Count);
        var names = new StringBuilder();
        foreach (Wanted wanted in job.Items)
        {
            asked[wanted.Item] = wanted;
            names.Append(new WantedItem(wanted.Item, wanted.Base)).Append('\n');
        }

        long started = Clock.GetTimestamp();
        using HttpResponseMessage answer = await AskAsync(job, names.ToString(), cancellationToken).ConfigureAwait(false);
        TimeSpan toFirst = Clock.GetElapsedTime(started);
        Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var watched = new WatchedStream(body, this, job, Limits.StallTimeout, cancellationToken);
        await using (watched.ConfigureAwait(false))
        {
            using var pack = new ItemPackReader(watched, name => asked.Values.Any(w => w.Base == name) ? job.OpenBase(name) : null);
            try
            {
                while (await pack.ReadAsync(cancellationToken).ConfigureAwait(false) is var (item, size, content))
                {
                    if (!asked.Remove(item, out Wanted? wanted))
                        throw new SourceException($"{Url} sent {item}, which it was not asked for.");
                    await job.ReceiveAsync(wanted, size, content, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (PackFormatException e)
            {
                throw new SourceException($"{Url} sent what is no good pack: {e.Message}", e);
            }

            Learn(watched.BytesRead, toFirst, Clock.GetElapsedTime(started));
        }
    }

    private async Task<HttpResponseMessage> AskAsync(FetchJob job, string names, CancellationToken cancellationToken)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bounded.CancelAfter(Limits.StallTimeout + job.Wait);
        string query = job.Wait > TimeSpan.Zero ? "?wait=" + ((int)job.Wait.TotalMilliseconds).ToString(CultureInfo.InvariantCulture) : "";
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Url, $"/replica/{job.Repository}/fetch{query}"))
        {
            Content = new StringContent(names, Encoding.ASCII),
        };
        HttpResponseMessage? answer = null;
        try
        {
            answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, bounded.Token).ConfigureAwait(false);
            if (!answer.IsSuccessStatusCode)
            {
                string reason = (await answer.Content.ReadAsStringAsync(bounded.Token).ConfigureAwait(false)).Trim();
                throw new SourceException($"{Url} refused with {(int)answer.StatusCode}: {(reason.Length > ReasonMax ? reason[..ReasonMax] : reason)}");
            }

            return answer;
        }
        catch (Exception e)
        {
            answer?.Dispose();
            if (e is SourceException || (e is OperationCanceledException && cancellationToken.IsCancellationRequested))
                throw;
            throw new SourceException(e is OperationCanceledException ? $"{Url} did not answer for {(Limits.StallTimeout + job.Wait).TotalSeconds:0.#} s." : $"{Url} cannot be reached: {e.Message}", e);
        }
    }
}
