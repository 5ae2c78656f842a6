using CvmfsNix.Cluster.Node.Access;

namespace CvmfsNix.Cluster.Node.Options;

/// <summary>The settings of tokens that somebody else makes.</summary>
public sealed partial class NodeOptionsBinder
{
    private OidcOptions? Oidc()
    {
        string? keys = FileOf(NodeSwitches.OidcJwks), rules = FileOf(NodeSwitches.OidcRules);
        if (_settings[NodeSwitches.OidcIssuer] is not { Value.Length: > 0 } issuer)
        {
            foreach (NodeSwitch name in (NodeSwitch[])[NodeSwitches.OidcAudience, NodeSwitches.OidcJwks, NodeSwitches.OidcRules])
            {
                if (_settings[name] is { } setting)
                    _mistakes.Add($"{setting.Origin} needs --oidc-issuer URL.");
            }

            return null;
        }

        bool url = Uri.TryCreate(issuer.Value, UriKind.Absolute, out Uri? uri) && IsHttp(issuer.Value);
        if (!url)
            _mistakes.Add($"{issuer.Origin}: \"{issuer.Value}\" is no URL of an issuer.");
        else if (keys is null && uri!.Scheme != Uri.UriSchemeHttps && !uri.IsLoopback)
            _mistakes.Add($"{issuer.Origin}: its keys are asked of it, so it has to be https; or give them with --oidc-jwks FILE.");
        if (_settings[NodeSwitches.OidcAudience] is not { Value.Length: > 0 } audience)
        {
            _mistakes.Add($"{issuer.Origin} needs --oidc-audience NAME: without it tokens made for others would be good here.");
            return null;
        }

        if (keys is not null)
            TryFile(NodeSwitches.OidcJwks, () => IssuerTokens.ReadKeys(keys));
        if (rules is not null)
            TryFile(NodeSwitches.OidcRules, () => OutsideRules.Parse(File.ReadAllText(rules), rules));
        return url ? new OidcOptions(issuer.Value, audience.Value, keys, rules) : null;
    }

    private void TryFile(NodeSwitch name, Func<object> read)
    {
        try
        {
            read();
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            _mistakes.Add($"{_settings[name]!.Value.Origin}: {e.Message}");
        }
    }
}
