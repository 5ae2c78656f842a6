using CvmfsNix.Cluster.TestKit.Postgres;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>Signing keys come to core nodes by configuration.</summary>
public sealed class KeysTests
{
    private const string Repository = "keys.example.org";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_node_without_a_repositorys_key_stays_out_until_it_is_there_and_one_with_a_wrong_key_does_not_start()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync(null, Ct);
        await using ClusterOfNodes cluster = ClusterOfNodes.Create(new ClusterSettings(postgres.ConnectionString("cvmfsnix")) { Switches = ["--copies", "1"], SeparateKeys = true });
        (ClusterNode first, ClusterNode second, ClusterNode third) = (cluster.Nodes[0], cluster.Nodes[1], cluster.Nodes[2]);
        await first.StartAsync(Ct);
        (await cluster.CliAsync(["repo", "create", Repository, "--json"], Ct, first)).Succeeded();

        second.Launch();
        await cluster.UntilAsync(async () => (await second.TryNotReadyAsync(Ct))?.Contains($"signing keys of {Repository} are not in {second.Keys}") == true, "the node says which key is missing", Ct);
        await cluster.MembersAsync(1, Ct, first);

        Copy(first.Keys, second.Keys);
        await cluster.MembersAsync(2, Ct);

        Copy(first.Keys, third.Keys);
        (await ProgramRun.RunAsync("rm", [.. ((string[])["key", "crt", "pub", "masterkey"]).Select(e => Path.Combine(third.Keys, $"{Repository}.{e}"))], cancellationToken: Ct)).Succeeded();
        (await cluster.CliAsync(["key", "create", Repository, "--keys", third.Keys], Ct)).Succeeded();
        third.Launch();
        Assert.Equal(2, await third.ExitAsync(Ct));
        Assert.True(third.HasLogged("is the one that its manifests are signed with"), third.LogTail(10));
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.EnumerateFiles(from).Where(f => !Path.GetFileName(f).StartsWith('.')))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
    }
}
