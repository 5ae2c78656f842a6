using System.Security.Cryptography;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CvmfsNix.Cluster.Tests.Node.Access;

/// <summary>An issuer that lives for one test: a key, its set of keys in a file, and tokens.</summary>
internal sealed class TestIssuer : IDisposable
{
    public const string Url = "https://issuer.example.org";
    public const string Audience = "cvmfsnix";
    private readonly RSA _key = RSA.Create(2048);
    private readonly string _id = Guid.NewGuid().ToString("N");

    /// <summary>The set of its keys, as JSON.</summary>
    public string Keys
    {
        get
        {
            RSAParameters parameters = _key.ExportParameters(false);
            return $$"""{"keys":[{"kty":"RSA","use":"sig","kid":"{{_id}}","n":"{{Base64UrlEncoder.Encode(parameters.Modulus)}}","e":"{{Base64UrlEncoder.Encode(parameters.Exponent)}}"}]}""";
        }
    }

    /// <summary>The switches of a node that takes its tokens.</summary>
    public static string[] Switches(string keysFile) => ["--oidc-issuer", Url, "--oidc-audience", Audience, "--oidc-jwks", keysFile];

    public string Token(Dictionary<string, object> claims, string audience = Audience, string issuer = Url, double hours = 1) => new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
    {
        Issuer = issuer,
        Audience = audience,
        Claims = claims,
        IssuedAt = DateTime.UtcNow.AddHours(-2),
        NotBefore = DateTime.UtcNow.AddHours(-2),
        Expires = DateTime.UtcNow.AddHours(hours),
        SigningCredentials = new SigningCredentials(new RsaSecurityKey(_key) { KeyId = _id }, SecurityAlgorithms.RsaSha256),
    });

    public void Dispose() => _key.Dispose();
}
