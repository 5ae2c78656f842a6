using System.Globalization;
using CvmfsNix.Cluster.Contracts.Admin;
using Grpc.Net.Client;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <content>The same commands, typed into the shell at a pseudo-terminal.</content>
public sealed partial class PbmTests
{
    private const string TerminalRepository = "terminal.example.org";
    private const char Mark = '⇥';

    // What is typed behind a command, with a mark where TAB completes the rest of a word; and what the answer holds.
    private static readonly Dictionary<string, (string Typed, string Expected)> Dialogue = new(StringComparer.Ordinal)
    {
        ["actor hierarchy"] = ("-d 1 -s /us⇥er", "/user/stores"),
        ["audit list"] = ("-n 2⇥0", "| "),
        ["audit tail"] = ("", "repo create"),
        ["cluster show"] = ("", "Count: "),
        ["cluster status"] = ("", "| [core,stratum0] | up |"),
        ["cluster leader"] = ("", "\nakka.tcp://"),
        ["cluster tail"] = ("", "MemberUp"),
        ["cluster join"] = ("", "was not told to leave"),
        ["cluster leave"] = ("", ""),
        ["cluster down"] = ("-a {node⇥}", ""),
        ["cluster down-unreachable"] = ("", ""),
        ["cluster-sharding list-regions"] = ("", "replica-directories"),
        ["cluster-sharding region-stats"] = ("-t led⇥gers", " entities"),
        ["gc status"] = ("-r term⇥inal.example.org", "collection  "),
        ["gc dry-run"] = ("-r term⇥inal.example.org", "Count: "),
        ["gc start"] = ("-r term⇥inal.example.org", TerminalRepository),
        ["gc pause"] = ("-r term⇥inal.example.org", "paused"),
        ["gc resume"] = ("-r term⇥inal.example.org", TerminalRepository),
        ["key show"] = ("-r term⇥inal.example.org", "BEGIN PUBLIC KEY"),
        ["key whitelist-renew"] = ("-r term⇥inal.example.org", "whitelist good until"),
        ["key rotate"] = ("-r term⇥inal.example.org --ca⇥ches 5", ""),
        ["leader show"] = ("", "| epoch "),
        ["leader transfer"] = ("", ""),
        ["log peek"] = ("-n 5⇥0", "information "),
        ["log tail"] = ("", "information "),
        ["log level"] = ("", "information"),
        ["path show"] = ("-r term⇥inal.example.org -p {path⇥}", "nar  "),
        ["path why"] = ("-r term⇥inal.example.org -p {path⇥}", "came with revision"),
        ["replica list"] = ("", "Count: "),
        ["replica show"] = ("-i mir⇥ror-1 -r term⇥inal.example.org", "state  "),
        ["replica pause"] = ("-i mir⇥ror-1 -r term⇥inal.example.org", "mirror-1 | terminal"),
        ["replica resume"] = ("-i mir⇥ror-1 -r term⇥inal.example.org", "mirror-1 | terminal"),
        ["replica scrub"] = ("-i mir⇥ror-1 -r term⇥inal.example.org", "mirror-1 | terminal"),
        ["replica remove"] = ("-i mir⇥ror-1 -r term⇥inal.example.org", ""),
        ["repo list"] = ("", TerminalRepository + " | revision 2"),
        ["repo show"] = ("-r term⇥inal.example.org", "root hash  "),
        ["repo create"] = ("-r second.example.org --hash shak⇥e128 --nix⇥-db", "is there, revision 1"),
        ["repo rollback"] = ("-r term⇥inal.example.org -t tr⇥unk-previous", ""),
        ["revision list"] = ("-r term⇥inal.example.org", "\n1 | "),
        ["revision show"] = ("-r term⇥inal.example.org -n 2⇥", "root catalog  "),
        ["revision diff"] = ("-r term⇥inal.example.org -a 1⇥", "paths came and 0 went"),
        ["store stat"] = ("", "copies required"),
        ["store scrub"] = ("-r term⇥inal.example.org --rep⇥", " 0 damaged"),
        ["system uptime"] = ("", "| pid "),
        ["token create"] = ("-n typed -s read", "cvn_"),
        ["token list"] = ("", "typed"),
        ["token revoke"] = ("-i {token⇥}", "revoked"),
        ["txn list"] = ("-r term⇥inal.example.org -s comm⇥itted", "Count: 1 transactions"),
        ["txn show"] = ("-r term⇥inal.example.org -t {transaction⇥}", "status             committed"),
        ["txn queue"] = ("-r term⇥inal.example.org", "Count: 0 waiting"),
        ["txn abort"] = ("-r term⇥inal.example.org -t {transaction⇥}", ""),
    };

    [Fact]
    public async Task A_shell_at_a_terminal_completes_every_command_its_switches_and_live_values_and_asks_before_it_destroys()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/script"), "script is not installed (apt-get install bsdutils)");
        (string transaction, string app) = await PublishAsync(TerminalRepository);
        await CliAsync("wait", "--repo", TerminalRepository, "--revision", "2", "--for", "all");
        string token = (await JsonAsync(0, "token", "create", "-n", "untyped", "-s", "read")).Single().GetProperty("id").GetString()!;
        var values = new Dictionary<string, string> { ["node"] = nodes.Address, ["path"] = Path.GetFileName(app), ["transaction"] = transaction, ["token"] = token };
        using GrpcChannel channel = GrpcChannel.ForAddress("http://" + nodes.Host);
        ListPalettesReply served = await new Admin.AdminClient(channel).ListPalettesAsync(new ListPalettesRequest(), cancellationToken: Ct);
        Assert.Empty(served.Palettes.SelectMany(p => p.Commands.Select(c => $"{p.Name} {c.Name}")).Except(Dialogue.Keys));

        string prompt = $"[{nodes.Host}] pbm> ";
        await using PbmSession shell = PbmSession.Start(Pbm, nodes.Host);
        await shell.UntilAsync(prompt, Ct);
        foreach (Palette palette in served.Palettes)
        {
            foreach (Command command in palette.Commands)
                await TypeAsync(shell, palette, command, values, prompt);
        }

        // Palettes are completed, too, and the line before comes back by the cursor keys.
        await shell.TypeAsync("sys\t");
        await shell.UntilAsync("system ", Ct);
        await shell.TypeAsync("up\t\r");
        await shell.UntilAsync("| pid ", Ct);
        await shell.UntilAsync(prompt, Ct);
        await shell.TypeAsync("\x1b[A\r");
        await shell.UntilAsync("| pid ", Ct);
        await shell.UntilAsync(prompt, Ct);
        await shell.TypeAsync("help revision\r");
        await shell.UntilAsync("diff", Ct);
        await shell.UntilAsync(prompt, Ct);
        await shell.TypeAsync("exit\r");
        Assert.Equal(0, await shell.ExitAsync(Ct));
    }

    private static async Task TypeAsync(PbmSession shell, Palette palette, Command command, Dictionary<string, string> values, string prompt)
    {
        (string typed, string expected) = Dialogue[$"{palette.Name} {command.Name}"];
        // The shortest beginning that no other command has; where there is none, all of it.
        string begun = Enumerable.Range(1, command.Name.Length).Select(n => command.Name[..n])
            .FirstOrDefault(b => palette.Commands.All(c => c == command || !c.Name.StartsWith(b, StringComparison.Ordinal))) ?? command.Name;
        await shell.TypeAsync($"{palette.Name} {begun}");
        bool unique = begun.Length < command.Name.Length;
        await shell.TypeAsync(unique ? "\t" : " ");
        await shell.UntilAsync($"{palette.Name} {command.Name} ", Ct);

        // All switches there are.
        if (command.Arguments.Count > 0)
        {
            await shell.TypeAsync("-\t");
            string list = await shell.UntilAsync("  --yes\n", Ct);
            Assert.All(command.Arguments.SelectMany(a => a.Switches), s => Assert.Contains($"  {s}\n", list, StringComparison.Ordinal));
            await shell.TypeAsync("\x7f");
        }

        foreach (string word in typed.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            await TypeWordAsync(shell, word, values);
        await shell.TypeAsync("\r");
        if (command.Destructive)
        {
            await shell.UntilAsync("Type yes to go on: ", Ct);
            await shell.TypeAsync("no\r");
            await shell.UntilAsync("nothing was done", Ct);
        }
        else
        {
            await shell.UntilAsync("\n", Ct);
            await shell.UntilAsync(expected.TrimStart('\n'), Ct);
            // The terminal hands it over as a key; the shell goes on.
            if (command.Endless)
                await shell.TypeAsync("\x03");
        }

        await shell.UntilAsync(prompt, Ct);
    }

    private static async Task TypeWordAsync(PbmSession shell, string word, Dictionary<string, string> values)
    {
        string whole = word;
        int half = word.IndexOf(Mark, StringComparison.Ordinal);
        if (word.StartsWith('{'))
        {
            whole = values[word.Trim('{', '}', Mark)];
            // Ports of neighbours may differ in their last digit.
            half = whole.Contains("://", StringComparison.Ordinal) ? whole.Length : whole.Length - 3;
        }
        else if (half >= 0)
        {
            whole = word.Remove(half, 1);
        }

        if (half < 0)
        {
            await shell.TypeAsync(whole + " ");
            return;
        }

        await shell.TypeAsync(string.Create(CultureInfo.InvariantCulture, $"{whole[..half]}\t"));
        await shell.UntilAsync(whole + (half == whole.Length && !word.StartsWith('{') ? "" : " "), Ct);
    }
}
