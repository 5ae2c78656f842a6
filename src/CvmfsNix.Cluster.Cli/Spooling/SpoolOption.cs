using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;

namespace CvmfsNix.Cluster.Cli.Spooling;

/// <summary>The switch that names the spool folder.</summary>
internal static class SpoolOption
{
    public static Option<string> Of(CommandContext context)
    {
        var option = new Option<string>("--spool")
        {
            Description = $"Folder between hook and agent [{Spool.Variable}; default {Spool.DefaultFolder}]",
            HelpName = "DIR",
            DefaultValueFactory = _ => context.Global.Variable(Spool.Variable) ?? Spool.DefaultFolder,
        };
        option.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string>() is { } folder && (folder.Length == 0 || folder.Any(char.IsControl)))
                r.AddError("--spool names a folder without control characters.");
        });
        return option;
    }
}
