using System.Net;
using System.Text;

namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>
/// A repository behind a URL, asked as stock clients ask: plain HTTP/1.1, no content encoding, no redirects, no conditional requests.
/// 404 means that the file is not there; every other answer but 2xx is a failure.
/// </summary>
public sealed class HttpSource : IRepositorySource
{
    // What stock clients leave unescaped.
    private const string PlainCharacters = "/:.@+-_~[],";

    private readonly string _baseUrl;
    private readonly HttpClient _client;
    private readonly bool _ownsClient;
    private readonly TimeSpan _timeout;

    /// <summary>Takes the URL of the repository folder, such as <c>http://host/cvmfs/demo.example.org</c>.</summary>
    /// <param name="repositoryUrl">Absolute HTTP or HTTPS URL.</param>
    /// <param name="client">Client to use and leave open; null makes one.</param>
    /// <param name="timeout">Longest wait for the head of an answer, and for each further piece of its body; 10 s by default.</param>
    public HttpSource(Uri repositoryUrl, HttpClient? client = null, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(repositoryUrl);
        if (!repositoryUrl.IsAbsoluteUri || repositoryUrl.Scheme is not ("http" or "https")) throw new ArgumentException($"'{repositoryUrl}' is no absolute HTTP URL.", nameof(repositoryUrl));
        _timeout = timeout ?? TimeSpan.FromSeconds(10);
        _baseUrl = repositoryUrl.GetLeftPart(UriPartial.Path).TrimEnd('/') + "/";
        _ownsClient = client is null;
        _client = client ?? new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = _timeout,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <inheritdoc/>
    public string Description => _baseUrl.TrimEnd('/');

    /// <inheritdoc/>
    public async Task<Stream?> OpenAsync(string relativePath, CancellationToken cancellationToken)
    {
        var response = await SendAsync(HttpMethod.Get, relativePath, cancellationToken).ConfigureAwait(false);
        if (response is null) return null;
        try
        {
            var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            return new HttpBodyStream(response, body, response.RequestMessage?.RequestUri?.AbsoluteUri ?? _baseUrl + relativePath, _timeout);
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<bool> ExistsAsync(string relativePath, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(HttpMethod.Head, relativePath, cancellationToken).ConfigureAwait(false);
        return response is not null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsClient) _client.Dispose();
    }

    private async Task<HttpResponseMessage?> SendAsync(HttpMethod method, string relativePath, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(relativePath);
        var url = _baseUrl + Escape(relativePath);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_timeout);
        HttpResponseMessage response;
        try
        {
            using var request = new HttpRequestMessage(method, url) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RepositoryUnreachableException($"{url} did not answer within {_timeout.TotalSeconds:0.#} s.", e);
        }
        catch (HttpRequestException e)
        {
            throw new RepositoryUnreachableException($"{url} cannot be reached: {e.Message}", e);
        }

        if (response.IsSuccessStatusCode && response.Content.Headers.ContentEncoding.Count == 0) return response;
        using (response)
        {
            if (response.StatusCode == HttpStatusCode.NotFound) return null;
            throw new RepositoryUnreachableException(response.IsSuccessStatusCode
                ? $"{url} answered with the content encoding {string.Join(',', response.Content.Headers.ContentEncoding)}, which no client of this format asks for."
                : $"{url} answered {(int)response.StatusCode} {response.ReasonPhrase}.");
        }
    }

    private static string Escape(string path)
    {
        var text = new StringBuilder(path.Length);
        foreach (var b in Encoding.UTF8.GetBytes(path))
        {
            var c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || PlainCharacters.Contains(c, StringComparison.Ordinal)) text.Append(c);
            else text.Append('%').Append(b.ToString("X2"));
        }

        return text.ToString();
    }
}
