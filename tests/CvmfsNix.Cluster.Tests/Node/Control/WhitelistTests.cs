using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Tests.Cli;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Control;

public sealed class WhitelistTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_whitelist_signed_where_the_master_key_is_renews_the_repository_and_no_other_does()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        using var offline = new TestFolder();
        string keys = Path.Combine(node.Data, "keys"), installed = Path.Combine(keys, WholeNode.Repository + ".whitelist");
        File.Move(Path.Combine(keys, WholeNode.Repository + ".masterkey"), Path.Combine(offline.Path, WholeNode.Repository + ".masterkey"));
        File.Copy(Path.Combine(keys, WholeNode.Repository + ".crt"), Path.Combine(offline.Path, WholeNode.Repository + ".crt"));
        var operations = node.Services.GetRequiredService<IOperations>();
        PublishingException without = await Assert.ThrowsAsync<PublishingException>(() => operations.RenewWhitelistAsync(WholeNode.Repository, Ct));
        Assert.Equal(PublishingCodes.KeysMissing, without.Code);
        Assert.Contains("key whitelist sign", without.Hint, StringComparison.Ordinal);

        CliRun signed = await CliRun.RunAsync("key", "whitelist", "sign", WholeNode.Repository, "--keys", offline.Path, "--days", "90", "--json");
        Assert.Equal(0, signed.Exit);
        string file = signed.Json.GetProperty("file").GetString()!;
        byte[] good = File.ReadAllBytes(file);
        // A changed one, and one by another master key, are not believed.
        byte[] changed = [.. good];
        changed[20] ^= 1;
        using RepositoryKeys others = RepositoryKeys.Create(WholeNode.Repository, DateTimeOffset.UtcNow);
        byte[] foreign = (Whitelist.ParseSigned(good).Whitelist with { }).Sign(others.MasterKey!);
        foreach (byte[] bad in (byte[][])[changed, foreign, good[..^1], []])
        {
            File.WriteAllBytes(installed, bad);
            await Assert.ThrowsAsync<PublishingException>(() => operations.RenewWhitelistAsync(WholeNode.Repository, Ct));
        }

        File.WriteAllBytes(installed, good);
        DateTimeOffset until = await operations.RenewWhitelistAsync(WholeNode.Repository, Ct);
        Assert.Equal(signed.Json.GetProperty("whitelistExpiresAt").GetDateTimeOffset(), until);
        Assert.Equal(until, (await node.Core.GetRepositoryAsync(WholeNode.Repository, Ct)).WhitelistExpiresAt);
    }

    [Fact]
    public async Task Without_the_keys_nothing_is_signed()
    {
        using var folder = new TestFolder();
        CliRun none = await CliRun.RunAsync("key", "whitelist", "sign", "a.example.org", "--keys", folder.Path);
        Assert.Equal(1, none.Exit);
        Assert.Contains("a.example.org.crt", none.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(folder.Path));
        Assert.Equal(2, (await CliRun.RunAsync("key", "whitelist", "sign", "a.example.org", "--keys", folder.Path, "--days", "0")).Exit);
    }
}
