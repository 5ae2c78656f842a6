using System.Text;

namespace CvmfsNix.Cluster.Node.Options;

/// <summary>What <c>--help</c> prints.</summary>
public static class HelpText
{
    /// <summary>The whole text with a newline at the end of each line.</summary>
    public static string Write()
    {
        var text = new StringBuilder();
        text.Append("cvmfsnix-node: publishes Nix store paths to CernVM-FS repositories and serves them\n\n");
        text.Append("  cvmfsnix-node [--SETTING VALUE]…\n");
        text.Append("  cvmfsnix-node healthcheck [--management URL] [--data DIR]   exit 0 when the node is ready, else 1\n");
        text.Append("  cvmfsnix-node --version\n\n");
        text.Append($"Each setting is also {NodeSwitch.EnvironmentPrefix}NAME (upper case, dashes dropped) and a key of the --config file.\n\n");
        int width = NodeSwitches.All.Max(s => Head(s).Length);
        foreach (NodeSwitch setting in NodeSwitches.All)
        {
            text.Append("  ").Append(Head(setting).PadRight(width)).Append("  ").Append(setting.Help);
            if (setting.Default is not null)
                text.Append(" [").Append(setting.Default).Append(']');
            text.Append('\n');
        }

        text.Append("\nExit: 0 stopped cleanly, 2 wrong command line or configuration, 5 lost its cluster and wants to be started again.\n");
        return text.ToString();
    }

    private static string Head(NodeSwitch setting) => $"--{setting.Name}" + (setting.IsFlag ? "" : " " + setting.Placeholder);
}
