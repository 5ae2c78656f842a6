using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Actors.Administration.Tokens;
using CvmfsNix.Cluster.Contracts.Admin;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Contracts.Replication;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Admin;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.Tests.Node.Control;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using ReplicaAction = CvmfsNix.Cluster.Contracts.Publishing.ReplicaAction;

namespace CvmfsNix.Cluster.Tests.Node.Access;

/// <summary>
/// The table of docs/access.md, cell by cell, on a whole node: every operation there is, with every scope, without a credential and with
/// credentials that are not good. The repositories do not exist, so whatever is allowed fails for that reason and changes nothing.
/// </summary>
public sealed class ScopeMatrixTests
{
    private const string Mine = "mine.example.org";
    private const string Other = "other.example.org";
    private const string Yes = "yes";
    private const string Pbm = "pbm ";

    private static readonly Dictionary<string, string> ScopeOfColumn = new()
    {
        ["publish"] = "publish:" + Mine,
        ["publish, other repository"] = "publish:" + Other,
        ["replicate"] = "replicate:" + Mine,
        ["replicate, other repository"] = "replicate:" + Other,
        ["read"] = "read",
        ["operate"] = "operate",
        ["admin"] = "admin",
    };

    private static readonly Google.Protobuf.Reflection.ServiceDescriptor[] Services = [PublishingReflection.Descriptor.Services.Single(), ReplicationReflection.Descriptor.Services.Single(), AdminReflection.Descriptor.Services.Single()];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_operation_is_allowed_to_whom_the_documentation_says_and_refused_to_everybody_else()
    {
        using var folder = new TestFolder();
        using var issuer = new TestIssuer();
        await using WholeNode node = await WholeNode.StartAsync(
            null, null, "0.0.0.0:0", ["--require-tokens", "--management-writes", .. TestIssuer.Switches(folder.Write("jwks.json", issuer.Keys))]);
        (string[] columns, IReadOnlyList<(string Operation, string[] Cells)> rows) = Table();
        Assert.Equal(Operations(node).Order(StringComparer.Ordinal), rows.Select(r => r.Operation).Order(StringComparer.Ordinal));
        Assert.Equal(["nothing, or nothing good", .. ScopeOfColumn.Keys], columns);

        Dictionary<string, string> tokens = await TokensAsync(node);
        string elsewhere = issuer.Token(new() { ["sub"] = "a", ["scope"] = "admin" }, audience: "somebody-else");
        string?[] bad = [null, elsewhere, .. await BadTokensAsync(node)];
        var wrong = new List<string>();
        foreach ((string operation, string[] cells) in rows)
        {
            foreach (string? token in bad)
                await CompareAsync(operation, $"the bad token {Array.IndexOf(bad, token)}", token, cells[0]);
            foreach ((string column, string cell) in columns.Zip(cells).Skip(1))
                await CompareAsync(operation, column, tokens[column], cell);
        }

        Assert.Empty(wrong);

        async Task CompareAsync(string operation, string who, string? token, string cell)
        {
            string answer = await TryAsync(node, operation, token);
            if ((answer == Yes ? Yes : "") != cell)
                wrong.Add($"{operation} with {who}: {answer}, and the documentation says \"{cell}\"");
        }
    }

    // What the programs know, from the programs: an operation that is not in the table fails the test.
    private static IEnumerable<string> Operations(WholeNode node) =>
    [
        .. Services.SelectMany(s => s.Methods).Where(m => m.Name != "Execute").Select(m => $"{m.Service.Name}.{m.Name}"),
        "Publishing.ChangeReplica, remove",
        .. node.Services.GetRequiredService<CommandCatalog>().Palettes.SelectMany(p => p.Commands.Select(c => $"{Pbm}{p.Name} {c.Name}")),
        .. Requests.Keys,
    ];

    private static readonly Dictionary<string, Func<WholeNode, HttpRequestMessage>> Requests = new()
    {
        ["GET /cvmfs/FQRN/…"] = n => new(HttpMethod.Get, new Uri(n.Http.BaseAddress!, $"/cvmfs/{Mine}/.cvmfspublished")),
        ["GET /nix/FQRN/…"] = n => new(HttpMethod.Get, new Uri(n.Http.BaseAddress!, $"/nix/{Mine}/nix-cache-info")),
        ["PUT /nix/FQRN/…"] = n => new(HttpMethod.Put, new Uri(n.Http.BaseAddress!, $"/nix/{Mine}/nix-cache-info")) { Content = new StringContent("") },
        ["POST /upload/FQRN/TRANSACTION"] = n => new(HttpMethod.Post, new Uri(n.Http.BaseAddress!, $"/upload/{Mine}/{Guid.CreateVersion7()}")) { Content = new StringContent("") },
        ["POST /replica/FQRN/fetch"] = n => new(HttpMethod.Post, new Uri(n.Http.BaseAddress!, $"/replica/{Mine}/fetch")) { Content = new StringContent("") },
        ["POST /peer/FQRN/…"] = n => new(HttpMethod.Post, new Uri(n.Http.BaseAddress!, $"/peer/{Mine}/have")) { Content = new StringContent("") },
        ["GET /alive"] = n => new(HttpMethod.Get, new Uri(n.Management.BaseAddress!, "/alive")),
        ["GET /ready"] = n => new(HttpMethod.Get, new Uri(n.Management.BaseAddress!, "/ready")),
        ["GET /bootstrap/seed-nodes"] = n => new(HttpMethod.Get, new Uri(n.Management.BaseAddress!, "/bootstrap/seed-nodes")),
        ["GET /status"] = n => new(HttpMethod.Get, new Uri(n.Management.BaseAddress!, "/status")),
        ["GET /metrics"] = n => new(HttpMethod.Get, new Uri(n.Management.BaseAddress!, "/metrics")),
        ["GET / (dashboard)"] = n => new(HttpMethod.Get, n.Management.BaseAddress),
        ["GET /dashboard/events"] = n => new(HttpMethod.Get, new Uri(n.Management.BaseAddress!, "/dashboard/events")),
        ["GET /cluster/members"] = n => new(HttpMethod.Get, new Uri(n.Management.BaseAddress!, "/cluster/members")),
        ["GET /cluster/shards"] = n => new(HttpMethod.Get, new Uri(n.Management.BaseAddress!, "/cluster/shards")),
        ["GET /cluster/domain-events"] = n => new(HttpMethod.Get, new Uri(n.Management.BaseAddress!, "/cluster/domain-events")),
        ["POST /cluster/members"] = n => new(HttpMethod.Post, new Uri(n.Management.BaseAddress!, "/cluster/members")) { Content = Form("address", "nobody") },
        ["PUT /cluster/members/ADDRESS"] = n => new(HttpMethod.Put, new Uri(n.Management.BaseAddress!, "/cluster/members/nobody")) { Content = Form("operation", "Down") },
        ["DELETE /cluster/members/ADDRESS"] = n => new(HttpMethod.Delete, new Uri(n.Management.BaseAddress!, "/cluster/members/nobody")),
    };

    private static FormUrlEncodedContent Form(string name, string value) => new([new(name, value)]);

    private static Task<string> TryAsync(WholeNode node, string operation, string? token)
    {
        if (Requests.TryGetValue(operation, out Func<WholeNode, HttpRequestMessage>? request))
            return TryHttpAsync(node, request(node), token);
        if (operation.StartsWith(Pbm, StringComparison.Ordinal))
        {
            string[] words = operation[Pbm.Length..].Split(' ');
            var execute = new ExecuteRequest { Palette = words[0], Command = words[1] };
            execute.Words.Add("--no-such-switch");
            return TryCallAsync(node, Find("Admin.Execute"), execute, token);
        }

        MethodDescriptor method = Find(operation.Split(',')[0]);
        IMessage message = Message(method, Mine);
        if (message is ChangeReplicaRequest change)
            change.Action = operation.EndsWith("remove", StringComparison.Ordinal) ? ReplicaAction.ReplicaRemove : ReplicaAction.ReplicaPause;
        return TryCallAsync(node, method, message, token);
    }

    private static MethodDescriptor Find(string name) => Services.SelectMany(s => s.Methods).Single(m => $"{m.Service.Name}.{m.Name}" == name);

    private static IMessage Message(MethodDescriptor method, string repository)
    {
        switch (method.Name)
        {
            case "AddPaths":
                return new AddPathsRequest { Header = new AddPathsHeader { Repository = repository, Transaction = Guid.CreateVersion7().ToString() } };
            case "Follow":
                var hello = new ReplicaHello { Protocol = 1, Replica = "mirror-1", Site = "here" };
                hello.Repositories.Add(repository);
                return new FromReplica { Hello = hello };
            default:
                IMessage message = method.InputType.Parser.ParseFrom(ByteString.Empty);
                method.InputType.FindFieldByName("repository")?.Accessor.SetValue(message, repository);
                return message;
        }
    }

    private static async Task<string> TryHttpAsync(WholeNode node, HttpRequestMessage request, string? token)
    {
        using HttpRequestMessage sent = request;
        if (token is not null)
            sent.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using HttpResponseMessage answer = await node.Http.SendAsync(sent, HttpCompletionOption.ResponseHeadersRead, Ct);
        if (answer.StatusCode is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden))
            return Yes;
        if (answer.StatusCode == HttpStatusCode.Unauthorized)
            Assert.NotEmpty(answer.Headers.WwwAuthenticate);
        string text = await answer.Content.ReadAsStringAsync(Ct);
        return Judge(answer.StatusCode == HttpStatusCode.Forbidden, text, token);
    }

    private static async Task<string> TryCallAsync(WholeNode node, MethodDescriptor method, IMessage message, string? token)
    {
        var kind = method switch
        {
            { IsClientStreaming: true, IsServerStreaming: true } => MethodType.DuplexStreaming,
            { IsClientStreaming: true } => MethodType.ClientStreaming,
            { IsServerStreaming: true } => MethodType.ServerStreaming,
            _ => MethodType.Unary,
        };
        var typed = new Method<IMessage, IMessage>(
            kind, method.Service.FullName, method.Name,
            Marshallers.Create<IMessage>(m => m.ToByteArray(), _ => throw new NotSupportedException()),
            Marshallers.Create<IMessage>(_ => throw new NotSupportedException(), bytes => method.OutputType.Parser.ParseFrom(bytes)));
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var options = new CallOptions(token is null ? [] : new Metadata { { "authorization", "Bearer " + token } }, cancellationToken: ended.Token);
        try
        {
            switch (kind)
            {
                case MethodType.Unary:
                    await node.Calls.AsyncUnaryCall(typed, null, options, message);
                    break;
                case MethodType.ServerStreaming:
                    using (AsyncServerStreamingCall<IMessage> call = node.Calls.AsyncServerStreamingCall(typed, null, options, message))
                        await call.ResponseStream.MoveNext(Ct);
                    break;
                case MethodType.ClientStreaming:
                    using (AsyncClientStreamingCall<IMessage, IMessage> call = node.Calls.AsyncClientStreamingCall(typed, null, options))
                    {
                        await SendAsync(call.RequestStream, message);
                        await call;
                    }

                    break;
                default:
                    using (AsyncDuplexStreamingCall<IMessage, IMessage> call = node.Calls.AsyncDuplexStreamingCall(typed, null, options))
                    {
                        await SendAsync(call.RequestStream, message);
                        await call.ResponseStream.MoveNext(Ct);
                    }

                    break;
            }

            return Yes;
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied)
        {
            return Judge(e.StatusCode == StatusCode.PermissionDenied, e.Status.Detail, token);
        }
        catch (RpcException)
        {
            return Yes;
        }
    }

    // A call that is refused may be over before its message is sent; its status says why.
    private static async Task SendAsync(IClientStreamWriter<IMessage> stream, IMessage message)
    {
        try
        {
            await stream.WriteAsync(message, Ct);
            await stream.CompleteAsync();
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException or IOException)
        {
        }
    }

    // A refusal names what would be enough, and never repeats the token.
    private static string Judge(bool forbidden, string text, string? token)
    {
        if (token is not null && text.Contains(token, StringComparison.Ordinal))
            return "refused with the token in the text";
        return !forbidden || text.Contains("scope", StringComparison.Ordinal) ? "refused" : $"refused without the scope it needs: {text}";
    }

    private static async Task<Dictionary<string, string>> TokensAsync(WholeNode node)
    {
        var tokens = new Dictionary<string, string>();
        foreach ((string column, string scope) in ScopeOfColumn)
            tokens[column] = (await CreateAsync(node, scope)).Token;
        return tokens;
    }

    private static async Task<string[]> BadTokensAsync(WholeNode node)
    {
        (string id, string revoked) = await CreateAsync(node, "admin");
        await ExecuteAsync(node, "revoke", "-i", id);
        (_, string good) = await CreateAsync(node, "admin");
        TokenSecret expired = TokenSecret.New();
        DateTimeOffset now = DateTimeOffset.UtcNow;
        await node.Services.GetRequiredService<ITokenTable>().AddAsync(new StoredToken(expired.Id, expired.Digest, "over", "admin", now.AddDays(-2), now.AddDays(-1), null), Ct);
        string forged = good[..^1] + (good[^1] == '0' ? '1' : '0');
        return [revoked, expired.Text, forged, TokenSecret.New().Text, "not-a-token"];
    }

    private static async Task<(string Id, string Token)> CreateAsync(WholeNode node, string scope)
    {
        JsonNode made = await ExecuteAsync(node, "create", "-n", "test", "-s", scope);
        return ((string)made["id"]!, (string)made["token"]!);
    }

    private static async Task<JsonNode> ExecuteAsync(WholeNode node, string command, params string[] words)
    {
        var request = new ExecuteRequest { Palette = "token", Command = command };
        request.Words.AddRange(words);
        string operators = AdminToken.LoadOrCreate(Path.Combine(node.Data, "keys"));
        using AsyncServerStreamingCall<ExecuteReply> call = new Contracts.Admin.Admin.AdminClient(node.Calls).Execute(request, new Metadata { { "authorization", "Bearer " + operators } }, cancellationToken: Ct);
        JsonNode? result = null;
        await foreach (ExecuteReply reply in call.ResponseStream.ReadAllAsync(Ct))
        {
            if (reply.Line is { Json.Length: > 0 } line)
                result = JsonNode.Parse(line.Json);
        }

        return result!;
    }

    private static (string[] Columns, IReadOnlyList<(string Operation, string[] Cells)> Rows) Table()
    {
        string[] lines = [.. File.ReadLines(Path.GetFullPath(TestData.Path(Path.Combine("..", "..", "docs", "access.md")))).SkipWhile(l => !l.StartsWith("| operation |", StringComparison.Ordinal)).TakeWhile(l => l.StartsWith('|'))];
        string[][] cells = [.. lines.Select(l => l.Trim('|', ' ').Length == 0 ? [] : l[1..^1].Split('|').Select(c => c.Trim().Trim('`')).ToArray())];
        return (cells[0][1..], [.. cells.Skip(2).Select(c => (c[0], c[1..]))]);
    }
}
