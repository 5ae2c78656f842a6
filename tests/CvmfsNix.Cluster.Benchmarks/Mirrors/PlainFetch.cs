using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Benchmarks.Load;
using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.Benchmarks.Mirrors;

/// <summary>
/// What replication is compared with: a program that gets files one request each over parallel connections, hashes each while it comes, makes
/// it durable and renames it into place. It is told what to get, so it walks no catalogs and asks nothing.
/// </summary>
internal static class PlainFetch
{
    /// <summary>First argument of a run of this program that is one such download.</summary>
    public const string Command = "plain-fetch";

    /// <summary>As many as the stock replication program uses by default.</summary>
    public const int Connections = 16;

    /// <summary>Runs it in a process of its own, where mirrors run.</summary>
    /// <returns>Milliseconds from the first request to the last file's being durable, and from the start of the process to its end.</returns>
    public static async Task<(double Milliseconds, double Process)> MeasureAsync(MirrorPair pair, string url, IReadOnlyList<string> paths, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-plain-").FullName;
        try
        {
            string list = Path.Combine(folder, "list");
            await File.WriteAllLinesAsync(list, paths, cancellationToken);
            string[] command = [.. pair.Place.Prefix, Environment.ProcessPath!, Command, url, list, Path.Combine(folder, "files"), Connections.ToString(CultureInfo.InvariantCulture)];
            long start = Stopwatch.GetTimestamp();
            ProgramRun run = (await ProgramRun.RunAsync(command[0], command[1..], null, cancellationToken)).Succeeded();
            return (double.Parse(run.Output, CultureInfo.InvariantCulture), Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The download itself; prints how many milliseconds it took.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        (string url, string list, string destination, int connections) = (arguments[0], arguments[1], arguments[2], int.Parse(arguments[3], CultureInfo.InvariantCulture));
        string[] paths = await File.ReadAllLinesAsync(list);
        string[] folders = [.. paths.Select(p => Path.Combine(destination, Path.GetDirectoryName(p)!)).Distinct()];
        foreach (string folder in folders)
            Directory.CreateDirectory(folder);
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = connections, AutomaticDecompression = DecompressionMethods.None });
        long start = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(paths, new ParallelOptions { MaxDegreeOfParallelism = connections }, async (path, token) => await OneAsync(http, $"{url}/{path}", Path.Combine(destination, path), token));
        // The framework opens no folders; this program fsyncs each of its arguments.
        _ = (await ProgramRun.RunAsync("sync", folders)).Succeeded();

        Console.WriteLine(LoadReport.Text($"{Stopwatch.GetElapsedTime(start).TotalMilliseconds:0.0}"));
        return 0;
    }

    private static async Task OneAsync(HttpClient http, string url, string file, CancellationToken cancellationToken)
    {
        using HttpResponseMessage answer = await http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        answer.EnsureSuccessStatusCode();
        await using Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        await using (FileStream content = new(file + ".part", FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            var buffer = new byte[64 << 10];
            for (int read; (read = await body.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                hash.AppendData(buffer, 0, read);
                await content.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }

            content.Flush(flushToDisk: true);
        }

        // The folder's two letters and the file's name, without the letter that says what kind it is.
        string name = (Path.GetFileName(Path.GetDirectoryName(file)) + Path.GetFileName(file))[..40];
        if (Convert.ToHexStringLower(hash.GetHashAndReset()) != name)
            throw new InvalidDataException($"{url} is not what its name says.");
        File.Move(file + ".part", file);
    }
}
