using System.CommandLine;
using CvmfsNix.Cluster.Nix.Signing;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>The switches of <see cref="UpstreamFilter"/>, for every command that publishes.</summary>
internal sealed class UpstreamOptions
{
    public UpstreamOptions()
    {
        Keys.Validators.Add(r =>
        {
            foreach (string text in r.Tokens.Select(static token => token.Value))
            {
                if (!TryParse(text, out _))
                    r.AddError($"--upstream-key: \"{text}\" is not a public key of Nix, as cache.nixos.org-1:… of base 64.");
            }
        });
    }

    /// <summary>Keys, none or more.</summary>
    public Option<string[]> Keys { get; } = new("--upstream-key")
    {
        Description = "Leave out what this cache has signed and nothing else refers to; repeatable",
        HelpName = "NAME:BASE64",
        AllowMultipleArgumentsPerToken = false,
    };

    /// <summary>Switches the filter off.</summary>
    public Option<bool> Publish { get; } = new("--publish-upstream") { Description = "Publish what upstream caches have signed all the same" };

    /// <summary>The filter that is asked for; null = publish everything.</summary>
    public UpstreamFilter? Filter(ParseResult parse)
    {
        string[] texts = parse.GetValue(Keys) ?? [];
        if (texts.Length == 0 || parse.GetValue(Publish))
            return null;
        return new UpstreamFilter([.. texts.Select(static text => NixPublicKey.Parse(text))]);
    }

    private static bool TryParse(string text, out NixPublicKey? key)
    {
        try
        {
            key = NixPublicKey.Parse(text);
            return true;
        }
        catch (FormatException)
        {
            key = null;
            return false;
        }
    }
}
