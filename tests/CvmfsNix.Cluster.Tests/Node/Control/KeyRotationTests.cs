using System.IO.Compression;
using System.Text;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Tests.Cli;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;

namespace CvmfsNix.Cluster.Tests.Node.Control;

public sealed class KeyRotationTests
{
    private const string Repository = WholeNode.Repository;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_next_key_takes_over_step_by_step_and_a_client_accepts_what_is_served_after_each()
    {
        await using WholeNode node = await WholeNode.StartAsync();
        string keys = Path.Combine(node.Data, "keys");
        var operations = node.Services.GetRequiredService<IOperations>();
        string pem = File.ReadAllText(Path.Combine(keys, Repository + ".pub"));
        string first = Fingerprint(".crt");
        await node.PublishAsync("before");
        PublishingException none = await Assert.ThrowsAsync<PublishingException>(() => operations.RotateKeyAsync(Repository, "me", TimeSpan.Zero, Ct));
        Assert.Equal(PublishingCodes.KeysMissing, none.Code);
        Assert.Contains("key create", none.Hint, StringComparison.Ordinal);

        CliRun made = await CliRun.RunAsync("key", "create", Repository, "--next", "--keys", keys, "--json");
        Assert.Equal(0, made.Exit);
        string next = made.Json.GetProperty("fingerprint").GetString()!;
        Assert.Equal(next, Fingerprint(".crt.2"));

        // With caches that may show old files for an hour it stays at this.
        for (int i = 0; i < 2; i++)
        {
            KeyRotationIs listed = await operations.RotateKeyAsync(Repository, "me", TimeSpan.FromHours(1), Ct);
            Assert.Equal((KeyRotationStage.Listed, next), (listed.Stage, listed.Fingerprint));
            Assert.InRange(listed.NextAt - DateTimeOffset.UtcNow, TimeSpan.FromMinutes(58), TimeSpan.FromMinutes(60));
        }

        await ServedAsync([first, next], first);
        await node.PublishAsync("between");
        await ServedAsync([first, next], first);

        KeyRotationIs signing = await operations.RotateKeyAsync(Repository, "me", TimeSpan.Zero, Ct);
        Assert.Equal((KeyRotationStage.Signing, next), (signing.Stage, signing.Fingerprint));
        await ServedAsync([first, next], next);
        Assert.Equal(KeyRotationStage.Signing, (await operations.RotateKeyAsync(Repository, "me", TimeSpan.FromHours(1), Ct)).Stage);
        // What is renewed meanwhile, by the clock or on request, names both.
        await operations.RenewWhitelistAsync(Repository, Ct);
        await node.PublishAsync("after");
        await ServedAsync([first, next], next);

        KeyRotationIs done = await operations.RotateKeyAsync(Repository, "me", TimeSpan.Zero, Ct);
        Assert.Equal((KeyRotationStage.Done, next), (done.Stage, done.Fingerprint));
        await ServedAsync([next], next);
        Assert.Equal(KeyRotationStage.Done, (await operations.RotateKeyAsync(Repository, "me", TimeSpan.Zero, Ct)).Stage);

        // And once more; the whitelist is signed where the master key is.
        File.Delete(Path.Combine(keys, Repository + ".crt"));
        File.Delete(Path.Combine(keys, Repository + ".key"));
        using var offline = new TestFolder();
        File.Move(Path.Combine(keys, Repository + ".masterkey"), Path.Combine(offline.Path, Repository + ".masterkey"));
        File.Copy(Path.Combine(keys, Repository + ".crt.2"), Path.Combine(offline.Path, Repository + ".crt.2"));
        string third = (await CliRun.RunAsync("key", "create", Repository, "--next", "--keys", keys, "--json")).Json.GetProperty("fingerprint").GetString()!;
        string installed = Path.Combine(keys, Repository + ".whitelist");
        Assert.Equal(0, (await CliRun.RunAsync("key", "whitelist", "sign", Repository, "--keys", offline.Path, "--out", installed)).Exit);
        PublishingException unlisted = await Assert.ThrowsAsync<PublishingException>(() => operations.RotateKeyAsync(Repository, "me", TimeSpan.Zero, Ct));
        Assert.Equal(PublishingCodes.KeysMissing, unlisted.Code);
        Assert.Contains("both .crt files", unlisted.Hint, StringComparison.Ordinal);
        File.Copy(Path.Combine(keys, Repository + ".crt.3"), Path.Combine(offline.Path, Repository + ".crt.3"));
        CliRun both = await CliRun.RunAsync("key", "whitelist", "sign", Repository, "--keys", offline.Path, "--out", installed);
        Assert.Contains("2 certificates", both.Output, StringComparison.Ordinal);
        Assert.Equal(KeyRotationStage.Listed, (await operations.RotateKeyAsync(Repository, "me", TimeSpan.Zero, Ct)).Stage);
        Assert.Equal(KeyRotationStage.Signing, (await operations.RotateKeyAsync(Repository, "me", TimeSpan.Zero, Ct)).Stage);
        await ServedAsync([next, third], third);

        string Fingerprint(string extension) => RepositoryCertificate.Parse(File.ReadAllBytes(Path.Combine(keys, Repository + extension))).Fingerprint();

        async Task ServedAsync(string[] listed, string signs)
        {
            // It answers once the store has what the journal has; with such caches nothing is taken further.
            await operations.RotateKeyAsync(Repository, "me", TimeSpan.FromHours(1), Ct);
            await using RepositoryReader reader = await RepositoryReader.OpenAsync(
                new HttpSource(new Uri(node.Http.BaseAddress!, $"cvmfs/{Repository}/")), [pem], new RepositoryReaderOptions { ExpectedName = Repository }, Ct);
            Assert.Equal(listed.Order(StringComparer.Ordinal), reader.Whitelist.Fingerprints.Order(StringComparer.Ordinal));
            byte[] certificate = await node.Http.GetByteArrayAsync(new Uri($"cvmfs/{Repository}/data/{reader.Manifest.Certificate.ToString()[..2]}/{reader.Manifest.Certificate.ToString()[2..]}X", UriKind.Relative), Ct);
            using var plain = new ZLibStream(new MemoryStream(certificate), CompressionMode.Decompress);
            using var text = new StreamReader(plain);
            var served = RepositoryCertificate.Parse(Encoding.ASCII.GetBytes(await text.ReadToEndAsync(Ct)));
            Assert.Equal(signs, served.Fingerprint());
            Assert.True(reader.SignedManifest.Verify(served));
        }
    }
}
