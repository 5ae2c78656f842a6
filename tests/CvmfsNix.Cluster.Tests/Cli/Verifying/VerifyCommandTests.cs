using System.Text.Json;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.Tests.Cvmfs;
using CvmfsNix.Cluster.Tests.Cvmfs.Reading;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Verifying;

/// <summary><c>cvmfsnix verify</c> as scripts see it: exit codes and JSON.</summary>
public sealed class VerifyCommandTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_clean_repository_is_exit_0_and_the_JSON_of_the_contract()
    {
        using var folder = new TemporaryFolder();
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Package("package");
        await repository.PublishAsync(Cancel, path);
        await using (var lines = new StreamWriter(folder.File("registration")))
            Registration.Write(lines, repository.Format.StoreDirectory, [path.Upload.Info]);

        CliRun run = await CliRun.RunAsync(
            "verify", repository.RepositoryFolder, "--pubkey", PublicKey(folder, repository), "--deep", "--registration", folder.File("registration"), "--json");
        Assert.Equal(ExitCode.Done, run.Exit);
        Assert.Equal(TestRepository.Name, run.Json.GetProperty("repository").GetString());
        Assert.Equal(2u, run.Json.GetProperty("revision").GetUInt64());
        Assert.Equal(repository.Head.RootHash.ToString(), run.Json.GetProperty("rootHash").GetString());
        Assert.Equal(0, run.Json.GetProperty("findings").GetArrayLength());
        Assert.Equal(1, run.Json.GetProperty("narPathsChecked").GetInt64());
        foreach (string number in new[] { "catalogs", "entries", "objects", "bytes" })
            Assert.True(run.Json.GetProperty(number).GetInt64() > 0, number);
        Assert.True(run.Json.GetProperty("durationMs").GetInt64() >= 0);
    }

    [Fact]
    public async Task A_finding_is_exit_1_and_names_rule_path_catalog_and_object()
    {
        using var folder = new TemporaryFolder();
        await using TestRepository repository = await TestRepository.CreateAsync(Cancel);
        SyntheticPath path = SyntheticPath.Of("file", SyntheticTree.File("content"));
        await repository.PublishAsync(Cancel, path);
        string name = path.Objects.Keys.Single().ToString();
        File.Delete(Path.Combine(repository.RepositoryFolder, path.Objects.Keys.Single().RelativePath));

        CliRun json = await CliRun.RunAsync("verify", repository.RepositoryFolder, "--pubkey", PublicKey(folder, repository), "--json");
        Assert.Equal(ExitCode.No, json.Exit);
        JsonElement finding = Assert.Single(json.Json.GetProperty("findings").EnumerateArray());
        Assert.Equal("object-missing", finding.GetProperty("rule").GetString());
        Assert.Equal($"/nix/store/{path.Path}", finding.GetProperty("path").GetString());
        Assert.Equal(name, finding.GetProperty("object").GetString());
        Assert.Equal(40, finding.GetProperty("catalog").GetString()!.Length);
        Assert.NotEqual("", finding.GetProperty("message").GetString());

        CliRun text = await CliRun.RunAsync("verify", repository.RepositoryFolder, "--pubkey", PublicKey(folder, repository));
        Assert.Equal(ExitCode.No, text.Exit);
        Assert.Contains("object-missing", text.Output, StringComparison.Ordinal);
        Assert.Contains(name, text.Output, StringComparison.Ordinal);
        Assert.Contains("0 store paths: no --registration was given", text.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_checked_is_exit_4()
    {
        using var folder = new TemporaryFolder();
        string key = folder.Write("golden.pub", System.Text.Encoding.ASCII.GetBytes(Golden.PublicKey));
        using var server = new FolderServer(Golden.Folder, path => path.EndsWith('C') ? 500 : null);

        CliRun failing = await CliRun.RunAsync("verify", server.Url.ToString(), "--pubkey", key, "--json");
        Assert.Equal((ExitCode.Unknown, "Unreachable"), (failing.Exit, CodeOf(failing)));
        CliRun empty = await CliRun.RunAsync("verify", folder.Path, "--pubkey", key, "--json");
        Assert.Equal((ExitCode.Unknown, "RepositoryNotFound"), (empty.Exit, CodeOf(empty)));
    }

    [Fact]
    public async Task A_wrong_command_line_is_exit_2_and_an_unknown_tag_exit_1()
    {
        using var folder = new TemporaryFolder();
        string key = folder.Write("golden.pub", System.Text.Encoding.ASCII.GetBytes(Golden.PublicKey));
        Assert.Equal(ExitCode.Usage, (await CliRun.RunAsync("verify", Golden.Folder)).Exit);
        Assert.Equal(ExitCode.Usage, (await CliRun.RunAsync("verify", folder.File("nothing"), "--pubkey", key)).Exit);
        Assert.Equal(ExitCode.Usage, (await CliRun.RunAsync("verify", Golden.Folder, "--pubkey", folder.File("nothing"))).Exit);
        Assert.Equal(ExitCode.Usage, (await CliRun.RunAsync("verify", Golden.Folder, "--pubkey", folder.Write("none", "no key"u8.ToArray()))).Exit);
        Assert.Equal(ExitCode.Usage, (await CliRun.RunAsync("verify", Golden.Folder, "--pubkey", key, "--parallel", "0")).Exit);
        Assert.Equal(ExitCode.Usage, (await CliRun.RunAsync("verify", Golden.Folder, "--pubkey", key, "--registration", folder.Write("bad", "x\n"u8.ToArray()))).Exit);
        CliRun unknown = await CliRun.RunAsync("verify", Golden.Folder, "--pubkey", key, "--tag", "v9", "--json");
        Assert.Equal((ExitCode.No, "UnknownTag"), (unknown.Exit, CodeOf(unknown)));
    }

    private static string? CodeOf(CliRun run) => run.Json.GetProperty("error").GetProperty("code").GetString();

    private static string PublicKey(TemporaryFolder folder, TestRepository repository) =>
        folder.Write("test.pub", System.Text.Encoding.ASCII.GetBytes(repository.Keys.MasterPublicKeyPem));
}
