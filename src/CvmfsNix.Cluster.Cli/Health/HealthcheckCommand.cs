using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Health;

/// <summary><c>healthcheck</c>: whether the node answers and its cluster has a leader, i.e. publishes can be decided.</summary>
internal static class HealthcheckCommand
{
    public static Command Build(CommandContext context)
    {
        var command = new Command("healthcheck", "Exit 0 when the node answers and knows a leader, 1 when it knows none, 4 when it does not answer");
        context.Handle(command, async (parse, cancellationToken) =>
        {
            using ControlPlane control = context.Control(parse);
            NodeStatus status = await control.AskAsync((client, options) => client.GetStatusAsync(new GetStatusRequest(), options), cancellationToken);
            bool healthy = status.Leader.Length > 0;
            string reason = healthy ? "" : "the cluster has no leader: nothing can be published now";
            if (context.Json(parse))
                context.Terminal.Json(new HealthJson(healthy, status.Node, healthy ? status.Leader : null, reason), JsonShapes.Plain.HealthJson);
            else
                context.Terminal.Line(healthy ? $"healthy: {status.Node}, leader {status.Leader}" : $"not healthy: {reason}");
            return healthy ? ExitCode.Done : ExitCode.No;
        });
        return command;
    }
}
