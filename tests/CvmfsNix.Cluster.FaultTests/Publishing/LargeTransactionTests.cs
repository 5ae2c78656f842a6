using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Publishing;

/// <summary>One transaction of very many paths: neither messages nor memory may grow with it.</summary>
public sealed class LargeTransactionTests(ITestOutputHelper output)
{
    private const string Repository = "large.example.org";
    private const int FrameBytes = 128_000;
    private const int PathsOfARoot = 100;
    private const long MemoryBytesMax = 400L << 20;

    // About 3 KiB a path: what is bounded but not yet reached by the small run, and how much two runs differ by chance.
    private const long GrowthBytesMax = 52L << 20;

    // The two runs differ in length too. Garbage is collected before much of it gathers, and code is compiled once, so that what the peaks
    // differ by is what was held.
    private static readonly Dictionary<string, string> OnlyWhatIsHeld = new()
    {
        ["DOTNET_GCgen0size"] = "1000000",
        ["DOTNET_TieredCompilation"] = "0",
    };

    [Fact]
    public async Task One_transaction_of_thousands_of_paths_needs_no_large_message_and_no_more_memory()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        int paths = BuiltPrograms.FullSize ? 20_000 : 1_000;
        long small = await PeakBytesAsync(paths / 10, cancellationToken);
        long large = await PeakBytesAsync(paths, cancellationToken);
        Assert.InRange(large, 1, MemoryBytesMax);
        // Ten times the paths; what a path may cost in the end is far less than its record.
        long perPath = Math.Max(0, large - small) / (paths - (paths / 10));
        output.WriteLine($"peak {small >> 20} MiB with {paths / 10} paths, {large >> 20} MiB with {paths}");
        Assert.True(large - small < GrowthBytesMax, $"{(large - small) >> 20} MiB more for {paths} paths ({perPath} bytes each)");
    }

    private async Task<long> PeakBytesAsync(int paths, CancellationToken cancellationToken)
    {
        using var scratch = new Scratch("large");
        var settings = new NodeSettings(scratch["data"]) { Environment = OnlyWhatIsHeld };
        await using NodeProcess node = await NodeProcess.StartAsync(settings, cancellationToken);
        CreatedRepository repository = await CreatedRepository.CreateAsync(node.Addresses, Repository, cancellationToken);
        var history = new HistoryLog();
        var store = new SyntheticStore(scratch["store"]);
        PlannedPublish publish = await PlanAsync(store, paths, cancellationToken);
        CliResult result = await new Builder(Repository, store, history).PublishAsync(node.Addresses, publish, cancellationToken);
        Assert.True(result.ExitCode == 0, result.Output + result.Errors);
        JsonElement answer = result.Document;
        Assert.Equal(paths, answer.GetProperty("pathsNew").GetInt32());
        Assert.Equal(repository.Revision + 1, answer.GetProperty("revision").GetUInt64());
        await new RepositoryChecker(Repository, repository.PublicKey, history).CheckEverythingAsync(node.Addresses.Http, cancellationToken);
        long peak = node.PeakResidentBytes();
        Assert.Equal(0, await node.StopAsync(cancellationToken));

        string[] complaints = [.. node.Errors.Split('\n').Where(l =>
            l.Contains("oversized", StringComparison.OrdinalIgnoreCase) || l.Contains("frame size", StringComparison.OrdinalIgnoreCase)
            || l.Contains("maximum-frame", StringComparison.OrdinalIgnoreCase))];
        Assert.Empty(complaints);
        (string where, long bytes) = LargestJournalValue(Path.Combine(settings.Data, "journal.db"));
        output.WriteLine($"{paths} paths: largest value in the journal {bytes} bytes, {where}");
        Assert.InRange(bytes, 1, FrameBytes / 2);
        return peak;
    }

    /// <summary>Roots over paths without references: registrations of any size then stay simple.</summary>
    private static async Task<PlannedPublish> PlanAsync(SyntheticStore store, int paths, CancellationToken cancellationToken)
    {
        var roots = new List<StorePathName>();
        var below = new List<StorePathName>();
        for (int i = 0; i < paths; i++)
        {
            bool root = (i + 1) % PathsOfARoot == 0;
            PathInfo path = await store.AddAsync(
                $"large {i}", $"large {i}", root ? below : [], files: i % 4 == 0 ? 9 : 1, fileBytesMax: 400, cancellationToken);
            if (root)
            {
                roots.Add(path.Path);
                below.Clear();
            }
            else
            {
                below.Add(path.Path);
            }
        }

        store.Register();
        return PlannedPublish.New(roots);
    }

    /// <summary>Messages between actors and what they persist are of the same kind; the journal shows how large they get.</summary>
    private static (string Where, long Bytes) LargestJournalValue(string file)
    {
        using var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        connection.Open();
        var largest = ("nothing", 0L);
        foreach (string table in Texts("SELECT name FROM sqlite_master WHERE type = 'table'"))
        {
            foreach (string column in Texts($"SELECT name FROM pragma_table_info('{table}')"))
            {
                using SqliteCommand command = connection.CreateCommand();
                command.CommandText = $"SELECT max(length(CAST(\"{column}\" AS BLOB))) FROM \"{table}\"";
                if (command.ExecuteScalar() is long bytes && bytes > largest.Item2)
                    largest = ($"{table}.{column}", bytes);
            }
        }

        return largest;

        List<string> Texts(string query)
        {
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = query;
            using SqliteDataReader reader = command.ExecuteReader();
            var texts = new List<string>();
            while (reader.Read())
                texts.Add(reader.GetString(0));
            return texts;
        }
    }
}
