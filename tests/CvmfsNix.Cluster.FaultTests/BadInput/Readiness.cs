using System.Net;
using System.Text.Json;
using CvmfsNix.Cluster.FaultTests.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>What a node says of itself on its management port.</summary>
internal static class Readiness
{
    /// <summary>Waits until <c>/ready</c> is not 200 and says <paramref name="reason"/>, and checks that the status says so too.</summary>
    public static async Task AwaitProblemAsync(NodeProcess node, string repository, string reason, CancellationToken cancellationToken)
    {
        await AwaitAsync(node, (status, text) => status == HttpStatusCode.ServiceUnavailable && text.Contains(reason, StringComparison.Ordinal), reason, cancellationToken);
        CliResult result = await CliProcess.RunAsync(node.Addresses, ["status"], cancellationToken);
        JsonElement entry = result.Document.GetProperty("repositories").EnumerateArray().Single(r => r.GetProperty("repository").GetString() == repository);
        Assert.Contains(reason, entry.GetProperty("problem").GetString());
    }

    /// <summary>Waits until <c>/ready</c> is 200.</summary>
    public static Task AwaitReadyAsync(NodeProcess node, CancellationToken cancellationToken) =>
        AwaitAsync(node, (status, _) => status == HttpStatusCode.OK, "ready", cancellationToken);

    private static async Task AwaitAsync(NodeProcess node, Func<HttpStatusCode, string, bool> condition, string what, CancellationToken cancellationToken)
    {
        using var client = new HttpClient();
        string last = "";
        try
        {
            await Deadline.UntilAsync(
                async () =>
                {
                    try
                    {
                        using HttpResponseMessage answer = await client.GetAsync(new Uri(node.Addresses.Management.TrimEnd('/') + "/ready"), cancellationToken);
                        last = $"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(cancellationToken)}";
                        return condition(answer.StatusCode, last);
                    }
                    catch (HttpRequestException e)
                    {
                        // Not listening yet.
                        last = e.Message;
                        return false;
                    }
                },
                what,
                cancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message} Last: {last}\n{node.Errors}", e);
        }
    }
}
