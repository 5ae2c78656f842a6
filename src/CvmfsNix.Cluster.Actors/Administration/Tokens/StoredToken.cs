namespace CvmfsNix.Cluster.Actors.Administration.Tokens;

/// <summary>A token as it is kept: everything but the token.</summary>
/// <param name="Id">The part of the token that is no secret; names it in lists and logs.</param>
/// <param name="Digest">SHA-256 of the whole token, lower-case hex. The token holds 256 random bits, so nothing slower is needed: there is nothing to guess.</param>
/// <param name="Name">What it is for, in its maker's words.</param>
/// <param name="Scopes">What it allows, blanks between.</param>
/// <param name="CreatedAt">By the clock of the node that made it.</param>
/// <param name="ExpiresAt">From then on it opens nothing; null = never.</param>
/// <param name="RevokedAt">When it was taken back; null = it was not.</param>
public sealed record StoredToken(
    string Id, string Digest, string Name, string Scopes, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt);
