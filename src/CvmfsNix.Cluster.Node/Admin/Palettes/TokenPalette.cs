using System.Globalization;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration.Tokens;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;

namespace CvmfsNix.Cluster.Node.Admin.Palettes;

/// <summary><c>token</c>: who may do what, as far as this cluster made the tokens.</summary>
public sealed class TokenPalette(ITokenTable table, StoredTokens known, TimeProvider time) : IPaletteSource
{
    private const int NameLengthMax = 60;
    private const int ScopesMax = 100;
    private static readonly TimeSpan UsualLife = TimeSpan.FromDays(90);
    private static readonly TimeSpan LifeMax = TimeSpan.FromDays(3650);

    public Palette Palette => new("token", "Tokens kept by the cluster",
    [
        new(
            "create", "Make a token; it is shown this once", CreateAsync,
            new CommandArgument("name", "What it is for: letters, digits, dots, dashes, underscores", "-n", "--name") { Mandatory = true },
            new CommandArgument("scopes", $"What it allows, commas between: {Scope.Grammar}", "-s", "--scopes") { Mandatory = true, Suggested = ["read", "operate", "admin", "publish:*", "replicate:*"] },
            new CommandArgument("expires", $"When it ends, as 12h or 30d, or never (default {UsualLife.TotalDays.ToString(CultureInfo.InvariantCulture)}d)", "-e", "--expires") { Suggested = ["1h", "1d", "30d", "90d", "365d", "never"] })
        { Scope = AdminScope.Admin },
        new("list", "Tokens, oldest first; those that ended within 30 days too", ListAsync) { Scope = AdminScope.Read },
        new(
            "revoke", "Take a token back; every node that reaches the database refuses it within seconds, and ends what goes on under it", RevokeAsync,
            new CommandArgument("id", "Its id, as list shows it", "-i", "--id") { Mandatory = true, Live = IdsAsync })
        { Scope = AdminScope.Admin },
    ]);

    private async Task<bool> CreateAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        string name = arguments.Required("name");
        if (name.Length is 0 or > NameLengthMax || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
            throw CommandArguments.Wrong("name", $"\"{name}\" is not 1 to {NameLengthMax} letters, digits, dots, dashes or underscores.");
        if (!Scope.TryParseList(arguments.Required("scopes"), out IReadOnlyList<Scope> scopes, out string wrong) || scopes.Count > ScopesMax)
            throw CommandArguments.Wrong("scopes", wrong.Length > 0 ? $"\"{wrong}\" is no scope; scopes are {Scope.Grammar}." : $"1 to {ScopesMax} scopes are needed: {Scope.Grammar}.");
        DateTimeOffset now = time.GetUtcNow();
        DateTimeOffset? expires = arguments.Text("expires") is { } text ? Expiry(text, now) : now + UsualLife;
        TokenSecret secret = TokenSecret.New();
        var token = new StoredToken(secret.Id, secret.Digest, name, string.Join(' ', scopes), now, expires, null);
        await table.AddAsync(token, ct);
        await known.TryReadAsync(CancellationToken.None);
        JsonObject json = Json(token);
        json["token"] = secret.Text;
        await output.NoteAsync($"token {token.Id} ({name}) allows {token.Scopes} until {Until(token)}; it is shown this once:");
        await output.LineAsync(secret.Text, json);
        return true;
    }

    private async Task<bool> ListAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        foreach (StoredToken token in await ListAsync(ct))
            await output.LineAsync($"{token.Id} | {token.Name} | {token.Scopes} | {Shown.Time(token.CreatedAt)} | {Until(token)} | {StateOf(token)}", Json(token));
        return true;
    }

    private async Task<bool> RevokeAsync(CommandArguments arguments, ICommandOutput output, CancellationToken ct)
    {
        string id = arguments.Required("id");
        if (!await table.RevokeAsync(id, time.GetUtcNow(), ct))
            throw new NodeException(new NodeError(NodeCodes.UnknownToken, "There is no token of that id.", id, "cvmfsnix token list shows them; tokens of a token file end with their line there, when the node is started again."));
        await known.TryReadAsync(CancellationToken.None);
        await output.LineAsync($"{id}: revoked; other nodes know within seconds", new JsonObject { ["id"] = id, ["state"] = "revoked" });
        return true;
    }

    private async Task<IEnumerable<string>> IdsAsync(CommandArguments arguments, CancellationToken ct) =>
        (await ListAsync(ct)).Where(t => StateOf(t) == "good").Select(t => t.Id);

    private Task<IReadOnlyList<StoredToken>> ListAsync(CancellationToken ct) => table.ListAsync(time.GetUtcNow() - StoredTokens.EndedKnownFor, ct);

    private JsonObject Json(StoredToken token) => new()
    {
        ["id"] = token.Id,
        ["name"] = token.Name,
        ["scopes"] = Shown.Array(token.Scopes.Split(' ')),
        ["createdAt"] = Shown.Time(token.CreatedAt),
        ["expiresAt"] = token.ExpiresAt is { } end ? Shown.Time(end) : null,
        ["revokedAt"] = token.RevokedAt is { } revoked ? Shown.Time(revoked) : null,
        ["state"] = StateOf(token),
    };

    private string StateOf(StoredToken token) => token.RevokedAt is not null ? "revoked" : token.ExpiresAt <= time.GetUtcNow() ? "expired" : "good";

    private static string Until(StoredToken token) => token.ExpiresAt is { } end ? Shown.Time(end) : "never";

    private static DateTimeOffset? Expiry(string text, DateTimeOffset now)
    {
        if (text == "never")
            return null;
        double unit = text.Length < 2 ? 0 : text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        if (unit > 0 && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count > 0 && count * unit <= LifeMax.TotalSeconds)
            return now + TimeSpan.FromSeconds(count * unit);
        throw CommandArguments.Wrong("expires", $"\"{text}\" is neither never nor a time from 1s to {LifeMax.TotalDays.ToString(CultureInfo.InvariantCulture)}d, such as 12h or 30d.");
    }
}
