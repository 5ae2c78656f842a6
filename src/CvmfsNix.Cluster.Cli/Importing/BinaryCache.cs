using System.Net;
using System.Net.Sockets;
using System.Text;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Cli.Importing;

/// <summary>Files of a binary cache of Nix, over HTTP or from a folder (<c>file://</c>). Failures that may pass are tried again. Thread-safe.</summary>
internal sealed class BinaryCache : IDisposable
{
    private const int Attempts = 4;
    private const int NarInfoBytesMax = 4 << 20;
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(300);

    private readonly HttpClient _client;
    private readonly Uri _root;
    private readonly TimeProvider _clock;

    public BinaryCache(Uri root, TimeSpan answerTime, TimeProvider clock)
    {
        _root = new Uri(root.AbsoluteUri.TrimEnd('/') + "/");
        _clock = clock;
        _client = new HttpClient(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(10), MaxConnectionsPerServer = 32 }) { Timeout = answerTime };
    }

    /// <summary>The cache, as it is called in messages.</summary>
    public string Name => _root.AbsoluteUri.TrimEnd('/');

    /// <summary>The store directory of <c>nix-cache-info</c>; the usual one where the file does not say.</summary>
    /// <exception cref="CliException">There is no cache, or it does not answer.</exception>
    public async Task<StoreDirectory> StoreDirectoryAsync(CancellationToken cancellationToken)
    {
        string text = await TextAsync("nix-cache-info", cancellationToken)
            ?? throw new CliException("NoBinaryCache", "There is no nix-cache-info: this is no binary cache of Nix.", Name, "give the URL that stands in the substituters of nix.conf");
        string? directory = text.Split('\n').FirstOrDefault(static line => line.StartsWith("StoreDir:", StringComparison.Ordinal))?["StoreDir:".Length..].Trim();
        try
        {
            return directory is null ? StoreDirectory.Default : StoreDirectory.Parse(directory);
        }
        catch (StorePathFormatException e)
        {
            throw new CliException("NoBinaryCache", $"Its nix-cache-info names no store directory: {e.Message}", Name, "repair the cache", innerException: e);
        }
    }

    /// <summary>What the cache tells of a path; null where it does not have it.</summary>
    /// <exception cref="CliException">It does not answer, or with something else.</exception>
    public async Task<NarInfo?> NarInfoAsync(StoreDirectory directory, StorePathName path, CancellationToken cancellationToken)
    {
        string file = path.Value[..32] + ".narinfo";
        if (await TextAsync(file, cancellationToken) is not { } text)
            return null;
        try
        {
            NarInfo info = NarInfo.Parse(text);
            return info.StoreDirectory == directory && info.Path == path
                ? info
                : throw Damaged(file, $"it tells of {info.StoreDirectory.FullPath(info.Path)}");
        }
        catch (NarInfoFormatException e)
        {
            throw Damaged(file, e.Message);
        }
    }

    /// <summary>Opens a file for reading once. Breaking off while it is read is an <see cref="IOException"/> or <see cref="HttpRequestException"/>.</summary>
    /// <param name="path">Relative to the cache, or absolute.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<Stream> OpenAsync(string path, CancellationToken cancellationToken)
    {
        Uri file = new(_root, path);
        if (file.IsFile)
        {
            try
            {
                return new FileStream(file.LocalPath, FileMode.Open, FileAccess.Read, FileShare.Read, 0, useAsync: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw Damaged(path, e.Message);
            }
        }

        if (file.Scheme != Uri.UriSchemeHttp && file.Scheme != Uri.UriSchemeHttps)
            throw Damaged(path, "it is nowhere that can be read");
        HttpResponseMessage answer = await _client.GetAsync(file, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!answer.IsSuccessStatusCode)
        {
            using (answer)
                throw new HttpRequestException($"{file} answered {(int)answer.StatusCode}", null, answer.StatusCode);
        }

        return await answer.Content.ReadAsStreamAsync(cancellationToken);
    }

    /// <summary>Runs something that reads from the cache, again where the connection was to blame.</summary>
    public async Task<T> WithRetriesAsync<T>(Func<Task<T>> read, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await read();
            }
            catch (Exception e) when (IsConnection(e) && !cancellationToken.IsCancellationRequested)
            {
                if (attempt >= Attempts || e is HttpRequestException { StatusCode: >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError and not HttpStatusCode.TooManyRequests and not HttpStatusCode.RequestTimeout })
                    throw new CliException("CacheUnreachable", $"The cache cannot be read: {e.Message}", Name, "see whether the URL is right and the cache is up; the same command goes on where it stopped", ExitCode.Unknown, e);
                await Task.Delay(FirstWait * Math.Pow(2, attempt - 1) * (0.5 + Random.Shared.NextDouble()), _clock, cancellationToken);
            }
        }
    }

    /// <summary>A file of the cache is not what it should be.</summary>
    public CliException Damaged(string file, string problem) =>
        new("DamagedCache", $"{file} of the cache cannot be used: {problem}", $"{Name}/{file}", "repair the cache, or import from another one");

    public void Dispose() => _client.Dispose();

    private static bool IsConnection(Exception e) =>
        e is HttpRequestException or SocketException or TaskCanceledException or HttpIOException or IOException { InnerException: SocketException };

    private Task<string?> TextAsync(string path, CancellationToken cancellationToken) => WithRetriesAsync(
        async () =>
        {
            Uri file = new(_root, path);
            if (file.IsFile && !File.Exists(file.LocalPath))
                return null;
            try
            {
                await using Stream stream = await OpenAsync(path, cancellationToken);
                byte[] bytes = new byte[NarInfoBytesMax];
                int count = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
                return count < bytes.Length ? Encoding.UTF8.GetString(bytes, 0, count) : throw Damaged(path, $"it has more than {NarInfoBytesMax} bytes");
            }
            catch (HttpRequestException e) when (e.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone or HttpStatusCode.Forbidden)
            {
                return null;
            }
        },
        cancellationToken);
}
