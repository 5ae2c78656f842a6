using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>Tokens that somebody else made.</summary>
public interface IOutsideTokens
{
    /// <summary>Whose token it is; null = it is none of that kind.</summary>
    ValueTask<Caller?> FindAsync(HttpContext context, string token);
}
