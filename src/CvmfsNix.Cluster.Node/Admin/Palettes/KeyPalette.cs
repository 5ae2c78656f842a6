using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>key</c>: public keys and whitelists.</summary>
public sealed class KeyPalette(IPublishingCore core, IOperations operations, LiveValues live) : IPaletteSource
{
    public Palette Palette => new("key", "Keys and whitelists",
    [
        new("show", "The public keys of a repository and the end of its whitelist", ShowAsync, live.Repository()),
        new("whitelist-renew", "Sign the whitelist anew; the node that leads needs the master key", RenewAsync, live.Repository()) { Scope = AdminScope.Admin },
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
}
