using System.CommandLine;
using CvmfsNix.Cluster.Cli.Backups;
using CvmfsNix.Cluster.Cli.Clients;
using CvmfsNix.Cluster.Cli.Development;
using CvmfsNix.Cluster.Cli.Health;
using CvmfsNix.Cluster.Cli.Importing;
using CvmfsNix.Cluster.Cli.Keys;
using CvmfsNix.Cluster.Cli.Pbm;
using CvmfsNix.Cluster.Cli.Publishing;
using CvmfsNix.Cluster.Cli.Reading;
using CvmfsNix.Cluster.Cli.Replicas;
using CvmfsNix.Cluster.Cli.Repositories;
using CvmfsNix.Cluster.Cli.Retention;
using CvmfsNix.Cluster.Cli.Running;
using CvmfsNix.Cluster.Cli.Spooling;
using CvmfsNix.Cluster.Cli.Tags;
using CvmfsNix.Cluster.Cli.Tokens;
using CvmfsNix.Cluster.Cli.Transactions;
using CvmfsNix.Cluster.Cli.Verifying;

namespace CvmfsNix.Cluster.Cli.CommandLine;

/// <summary>All commands: the table of contents of the program.</summary>
internal static class CommandTree
{
    public static RootCommand Build(CommandContext context)
    {
        var root = new RootCommand("Publishes Nix store paths into CernVM-FS repositories and reads them back.")
        {
            RepositoryCommands.Build(context),
            PublishCommand.Build(context),
            StatusCommand.Build(context),
            WaitCommand.Build(context),
            ReplicaCommands.Build(context),
            TagCommands.Build(context),
            ShellCommands.BuildRevision(context),
            CollectionCommands.Build(context),
            WithdrawCommand.Build(context),
            ListCommand.Build(context),
            CatCommand.Build(context),
            GetCommand.Build(context),
            VerifyCommand.Build(context),
            KeyCommands.Build(context),
            TokenCommands.Build(context),
            RunCommand.BuildRun(context),
            RunCommand.BuildEnter(context),
            ImportCommand.Build(context),
            ClientConfigCommand.Build(context),
            HookCommand.Build(context),
            AgentCommands.Build(context),
            BackupCommands.BuildBackup(context),
            BackupCommands.BuildRestore(context),
            HealthcheckCommand.Build(context),
            PbmProgram.Listed(),
            DevelopmentCommands.Build(context),
        };
        root.Options.Add(context.Global.Server);
        root.Options.Add(context.Global.TokenFile);
        root.Options.Add(context.Global.TlsCa);
        root.Options.Add(context.Global.TlsCert);
        root.Options.Add(context.Global.TlsKey);
        root.Options.Add(context.Global.Timeout);
        root.Options.Add(context.Global.Json);
        return root;
    }
}
