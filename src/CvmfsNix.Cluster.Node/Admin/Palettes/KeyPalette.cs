using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Model.Replicas;
using static CvmfsNix.Cluster.Model.Administration.AdministrationProtocol;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>key</c>: public keys and whitelists.</summary>
public sealed class KeyPalette(IPublishingCore core, IOperations operations, IReplicationCore replication, TimeProvider clock, LiveValues live) : IPaletteSource
{
    private const int CachesUsual = 120;
    private const int CachesMax = 86_400;
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public Palette Palette => new("key", "Keys and whitelists",
    [
        new("show", "The public keys of a repository and the end of its whitelist", ShowAsync, live.Repository()),
        new("whitelist-renew", "Sign the whitelist anew; the node that leads needs the master key", RenewAsync, live.Repository()) { Scope = AdminScope.Admin },
        new(
            "rotate", "The next key in the key folders signs from here on; says each step, and may be asked again after an interruption", RotateAsync, live.Repository(),
            new CommandArgument("caches", $"Seconds for which proxies may show an old file (default {CachesUsual})", "--caches"),
            new CommandArgument("force", "Wait for no replica", "--force") { Flag = true }) { Scope = AdminScope.Admin, Destructive = true },
    ]);

    private async Task<bool> ShowAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        RepositoryView r = await core.GetRepositoryAsync(arguments.Repository(), ct);
        await output.LineAsync(
            $"{r.PublicKeyPem.TrimEnd()}\n{r.NixPublicKey}\nwhitelist good until {Shown.Time(r.WhitelistExpiresAt)}, {Shown.Span(r.WhitelistExpiresAt - DateTimeOffset.UtcNow)} from now",
            new JsonObject
            {
                ["repository"] = r.Repository,
                ["publicKey"] = r.PublicKeyPem,
                ["publicKeyFile"] = r.PublicKeyFile,
                ["nixPublicKey"] = r.NixPublicKey,
                ["whitelistExpiresAt"] = Shown.Time(r.WhitelistExpiresAt),
            });
        return true;
    }

    private async Task<bool> RenewAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        string repository = arguments.Repository();
        DateTimeOffset until = await operations.RenewWhitelistAsync(repository, ct);
        await output.LineAsync($"{repository}: whitelist good until {Shown.Time(until)}", new JsonObject { ["repository"] = repository, ["whitelistExpiresAt"] = Shown.Time(until) });
        return true;
    }

    // Every step is the leader's, and an event; here is only the waiting between them, so that nothing is lost with this node or the operator's terminal.
    private async Task<bool> RotateAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        string repository = arguments.Repository();
        long seconds = arguments.Number("caches", CachesUsual);
        if (seconds > CachesMax)
            throw CommandArguments.Wrong("caches", $"{seconds} is more than {CachesMax}, a day.");
        TimeSpan caches = TimeSpan.FromSeconds(seconds);
        KeyRotationStage? said = null;
        while (true)
        {
            KeyRotationIs now = await StepAsync(repository, caches, ct);
            if (now.Stage != said)
                await output.LineAsync(Told(repository, now), Json(repository, now));
            said = now.Stage;
            if (now.Stage == KeyRotationStage.Done)
                return true;
            if (!arguments.Has("force"))
                await AwaitReplicasAsync(repository, now.SequenceNumber, output, ct);
            while (now.NextAt - clock.GetUtcNow() is { Ticks: > 0 } left)
                await Task.Delay(left < LookEvery ? left : LookEvery, clock, ct);
        }
    }

    // The leader may change between two steps.
    private async Task<KeyRotationIs> StepAsync(string repository, TimeSpan caches, CancellationToken ct)
    {
        long started = clock.GetTimestamp();
        while (true)
        {
            try
            {
                return await operations.RotateKeyAsync(repository, "an operator", caches, ct);
            }
            catch (PublishingException e) when (e.Code is PublishingCodes.NoLeader or PublishingCodes.Overloaded && clock.GetElapsedTime(started) < Patience)
            {
                await Task.Delay(LookEvery, clock, ct);
            }
        }
    }

    // One that is paused or away serves an old whitelist with an old manifest: both change there together.
    private async Task AwaitReplicasAsync(string repository, long sequence, ICommandOutput output, CancellationToken ct)
    {
        string said = "";
        while (true)
        {
            DateTimeOffset now = clock.GetUtcNow();
            IEnumerable<ReplicaSummary> all = (await replication.ListAsync(repository, ct)).Select(r => r.Replica);
            string behind = string.Join(", ", all.Where(r => r.Registered && !r.Paused && r.IsReachable(now) && r.Position.Sequence < sequence).Select(r => r.Key.Replica.Value));
            if (behind.Length == 0)
                return;
            if (behind != said)
                await output.NoteAsync($"waiting for {behind} (--force waits for none)");
            said = behind;
            await Task.Delay(LookEvery, clock, ct);
        }
    }

    private static string Told(string repository, KeyRotationIs now) => now.Stage switch
    {
        KeyRotationStage.Listed => $"{repository}: the whitelist names the next key {now.Fingerprint}; it signs from {Shown.Time(now.NextAt)} on",
        KeyRotationStage.Signing => $"{repository}: {now.Fingerprint} signs; the whitelist names the old key until {Shown.Time(now.NextAt)}",
        _ => $"{repository}: {now.Fingerprint} signs, and no other key is good",
    };

    private static JsonObject Json(string repository, KeyRotationIs now) => new()
    {
        ["repository"] = repository,
        ["stage"] = now.Stage switch { KeyRotationStage.Listed => "listed", KeyRotationStage.Signing => "signing", _ => "done" },
        ["fingerprint"] = now.Fingerprint,
        ["nextAt"] = Shown.Time(now.NextAt),
    };
}
