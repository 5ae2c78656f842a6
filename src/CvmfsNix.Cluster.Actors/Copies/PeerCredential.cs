using System.Security.Cryptography;
using System.Text;

namespace CvmfsNix.Cluster.Actors.Copies;

/// <summary>
/// What a core node shows another one: made from the operator's token, which all core nodes of a cluster share with their keys. The token itself
/// is never sent, so whoever listens on the private network can pretend to be a store there, but cannot command the cluster.
/// </summary>
public sealed class PeerCredential
{
    private const string Scheme = "Bearer ";
    private readonly string _header;
    private readonly byte[] _digest;

    /// <param name="adminToken">The token in the key folder.</param>
    public PeerCredential(string adminToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(adminToken);
        byte[] secret = HMACSHA256.HashData(Encoding.UTF8.GetBytes(adminToken), "cvmfsnix store peer 1"u8);
        _header = Scheme + Convert.ToHexStringLower(secret);
        _digest = SHA256.HashData(Encoding.ASCII.GetBytes(_header));
    }

    /// <summary>Value of the <c>Authorization</c> header.</summary>
    public string Header => _header;

    /// <summary>True when the value of an <c>Authorization</c> header is that of a peer.</summary>
    public bool Admits(string? authorization) =>
        authorization is not null && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(authorization)), _digest);
}
