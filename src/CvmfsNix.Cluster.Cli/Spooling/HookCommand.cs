using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;

namespace CvmfsNix.Cluster.Cli.Spooling;

/// <summary><c>hook --print</c>: the script to set as <c>post-build-hook</c>.</summary>
internal static class HookCommand
{
    public static Command Build(CommandContext context)
    {
        var print = new Option<bool>("--print") { Description = "Print the script" };
        Option<string> spool = SpoolOption.Of(context);
        var strict = new Option<bool>("--strict") { Description = "A build stops when it cannot be handed to the agent (else that is only said)" };
        var command = new Command("hook", "Print the script that hands what Nix has built to the agent") { print, spool, strict };
        context.Check(command, (r, complain) =>
        {
            if (!r.GetValue(print))
                complain("hook needs --print.");
        });
        context.Handle(command, (parse, _) =>
        {
            context.Terminal.Line(HookScript.For(Path.GetFullPath(parse.GetRequiredValue(spool)), parse.GetValue(strict)).TrimEnd('\n'));
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }
}
