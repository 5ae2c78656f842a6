using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Importing;

public sealed class ImportCommandTests : IDisposable
{
    private const string Path = "/nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one";

    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-cache-").FullName;

    [Theory]
    [InlineData("ftp://x", "--no-check-sigs")]
    [InlineData("http://x", "--trusted-key", "nonsense")]
    [InlineData("http://x")]
    public async Task Mistakes_of_the_command_line_are_named(string url, params string[] switches) =>
        Assert.Equal(2, (await CliRun.RunAsync(["import-cache", url, "--repo", "a.example.org", Path, .. switches])).Exit);

    [Fact]
    public async Task A_folder_that_is_no_cache_and_caches_that_tell_nonsense_are_refused()
    {
        Assert.Equal((1, "NoBinaryCache"), await ImportAsync());
        await WriteAsync("nix-cache-info", "StoreDir: nonsense\n");
        Assert.Equal((1, "NoBinaryCache"), await ImportAsync());
        await WriteAsync("nix-cache-info", "StoreDir: /nix/store\n");
        Assert.Equal((1, "UnknownPath"), await ImportAsync());
        await WriteAsync("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7.narinfo", "nonsense");
        Assert.Equal((1, "DamagedCache"), await ImportAsync());
        await WriteAsync("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7.narinfo", Info("/nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-two", "none"));
        Assert.Equal((1, "DamagedCache"), await ImportAsync());
        await WriteAsync("klinhpw0a9i5ijq25qgb6mn1sbc5ncp7.narinfo", Info(Path, "lzip"));
        Assert.Equal((1, "UnsupportedCompression"), await ImportAsync());
        await WriteAsync("nix-cache-info", "StoreDir: /other/store\n");
        Assert.Equal((2, "CommandLine"), await ImportAsync());
    }

    [Fact]
    public async Task A_cache_that_does_not_answer_is_unknown()
    {
        CliRun run = await CliRun.RunAsync("import-cache", "http://127.0.0.1:1/", "--repo", "a.example.org", "--no-check-sigs", Path, "--json");
        Assert.Equal((4, "CacheUnreachable"), (run.Exit, run.Json.GetProperty("error").GetProperty("code").GetString()));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Info(string path, string compression) =>
        $"StorePath: {path}\nURL: nar/x\nCompression: {compression}\nNarHash: sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw\nNarSize: 120\nReferences: \n";

    private Task WriteAsync(string name, string text) => File.WriteAllTextAsync($"{_folder}/{name}", text, TestContext.Current.CancellationToken);

    private async Task<(int Exit, string? Code)> ImportAsync()
    {
        CliRun run = await CliRun.RunAsync("import-cache", $"file://{_folder}", "--repo", "a.example.org", "--no-check-sigs", Path, "--json");
        return (run.Exit, run.Json.GetProperty("error").GetProperty("code").GetString());
    }
}
