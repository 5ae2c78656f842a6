using System.CommandLine;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Running;

/// <summary>
/// <c>run</c> and <c>enter</c>: a program, or a shell, that sees a mounted repository's tree as <c>/nix</c>, without root. This process
/// becomes the program: directory, environment, terminal, signals and exit code are its own.
/// </summary>
internal static partial class RunCommand
{
    private const string Automatic = "auto";
    private const string Namespace = "namespace";
    private const string ProotName = "proot";
    private const string Shell = "/bin/sh";

    public static Command BuildRun(CommandContext context)
    {
        var program = new Argument<string[]>("PROGRAM") { Description = "After --: the program and its arguments; PATH is looked through inside", Arity = ArgumentArity.OneOrMore };
        return Build(context, "run", "Run a program that sees the repository's tree as /nix", [program], parse => parse.GetRequiredValue(program));
    }

    public static Command BuildEnter(CommandContext context) =>
        Build(context, "enter", "Start a shell that sees the repository's tree as /nix", [], _ =>
            [Environment.GetEnvironmentVariable("SHELL") is { Length: > 0 } shell ? shell : Shell]);

    private static Command Build(CommandContext context, string name, string description, Argument[] arguments, Func<ParseResult, string[]> program)
    {
        Option<string?> repository = Arguments.RepositoryOption(required: false);
        repository.Description = "Repository that is mounted at /cvmfs/FQRN";
        var folder = new Option<string?>("--repo-dir") { Description = "Folder that holds nix/store (default /cvmfs/FQRN)", HelpName = "DIR" };
        var store = new Option<bool>("--store") { Description = "Let Nix use the tree as its store, too; it needs the tree's database" };
        var way = new Option<string>("--way") { Description = "How: by namespaces of the kernel, by proot, or whichever works (default)", HelpName = "auto|namespace|proot", DefaultValueFactory = _ => Automatic };
        way.AcceptOnlyFromAmong(Automatic, Namespace, ProotName);
        var command = new Command(name, description) { repository, folder, store, way };
        foreach (Argument argument in arguments)
            command.Arguments.Add(argument);
        context.Check(command, (r, complain) =>
        {
            if (r.GetResult(repository) is null == r.GetResult(folder) is null)
                complain($"{name} needs one of --repo FQRN and --repo-dir DIR.");
        });
        context.Handle(command, async (parse, cancellationToken) =>
        {
            NixTree tree = NixTree.Find(parse.GetValue(folder), parse.GetValue(repository));
            StoreOffer offer = StoreOffer.None;
            if (parse.GetValue(store))
            {
                tree.CheckDatabase();
                offer = StoreOffer.For(await StoreOffer.FindVersionAsync(cancellationToken), Environment.GetEnvironmentVariable("NIX_CONFIG"));
            }

            PrivateNix nix = await ChooseAsync(context.Terminal, parse.GetRequiredValue(way), tree, offer, cancellationToken);
            if (offer.PrivateState && nix.Way == PrivateNixWay.MountNamespace && !CanWrite(tree.Folder + "/store"))
                context.Terminal.Warning("Nix before 2.17 run by root tries to make /nix/store writable, and fails; run this as an ordinary user");
            string[] words = program(parse);
            string problem = ProcessReplacement.Execute(
                nix.File,
                [.. new[] { nix.File }.Concat(nix.Arguments).Select(Encoding.UTF8.GetBytes), .. ProcessReplacement.OwnArguments(words)],
                offer.Environment);
            throw new CliException("CannotRun", $"{nix.File} cannot be started: {problem}.", words[0], "see whether the file is there and may be executed", ExitCode.Unknown);
        });
        return command;
    }

    private static async Task<PrivateNix> ChooseAsync(Terminal terminal, string wanted, NixTree tree, StoreOffer offer, CancellationToken cancellationToken)
    {
        bool root = EffectiveUser() == 0;
        (string, string) self = (EffectiveUser().ToString(), EffectiveGroup().ToString());
        List<string> problems = [];
        if (wanted is Automatic or Namespace)
        {
            if (FindProgram("unshare") is not { } unshare)
            {
                problems.Add("unshare (util-linux) is not installed.");
            }
            else
            {
                // Old versions of unshare do not know how to become the user again; programs then believe to be root.
                (PrivateNixWay Way, (string, string)? Identity)[] ways = root
                    ? [(PrivateNixWay.MountNamespace, null), (PrivateNixWay.UserNamespace, null)]
                    : [(PrivateNixWay.UserNamespace, self), (PrivateNixWay.UserNamespace, null)];
                string? problem = null;
                foreach ((PrivateNixWay way, (string, string)? identity) in ways)
                {
                    string? failure = await PrivateNix.TryAsync(way, unshare, identity, cancellationToken);
                    if (failure is null)
                    {
                        if (!root && identity is null)
                            terminal.Warning("this machine's unshare is older than 2.36: the program sees itself as root, with the rights of the user all the same");
                        return PrivateNix.Of(way, unshare, tree, identity, offer.PrivateState ? "" : null);
                    }

                    problem ??= failure;
                }

                problems.Add($"Namespaces cannot be made: {problem}.");
                problems.AddRange(WhyNot.UserNamespaces(WhyNot.Read));
            }
        }

        if (wanted is Automatic or ProotName)
        {
            if (FindProgram(ProotName) is not { } proot)
                problems.Add("proot is not installed.");
            else if (await PrivateNix.TryAsync(PrivateNixWay.Proot, proot, null, cancellationToken) is { } failure)
                problems.Add($"proot does not run: {failure}.");
            else
                return PrivateNix.Of(PrivateNixWay.Proot, proot, tree, null, offer.PrivateState ? StateFolder(tree) : null);
        }

        throw new CliException(
            "NoPrivateNix", $"This machine does not let a process have a /nix of its own. {string.Join(' ', problems)}", tree.Folder,
            "change what is named above, install proot, or ask the administrator for an empty folder /nix to mount on", ExitCode.Refused);
    }

    /// <summary>Nix's own state where nothing can be mounted: a folder of the user's, filled with the tree's database anew each time.</summary>
    private static string StateFolder(NixTree tree)
    {
        string cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } set ? set : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        string state = Path.Combine(cache, "cvmfsnix", "state", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(tree.Folder)))[..16]);
        try
        {
            string database = Directory.CreateDirectory(Path.Combine(state, "nix", "db")).FullName;
            Directory.CreateDirectory(Path.Combine(state, "log", "nix"));
            foreach (string file in (string[])["db.sqlite", "db.sqlite-wal", "schema"])
            {
                string source = Path.Combine(Path.GetDirectoryName(tree.Database)!, file);
                string copy = Path.Combine(database, file), fresh = $"{copy}.{Environment.ProcessId}";
                File.Delete(copy);
                if (!File.Exists(source))
                    continue;
                using (FileStream from = File.OpenRead(source))
                using (FileStream to = File.Create(fresh))
                    from.CopyTo(to);
                File.Move(fresh, copy, overwrite: true);
            }

            return state;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException("NoStateFolder", $"Nix's state cannot be kept: {e.Message}", state, "point XDG_CACHE_HOME to a folder that can be written", innerException: e);
        }
    }

    private static string? FindProgram(string name) =>
        $"{Environment.GetEnvironmentVariable("PATH")}:/usr/bin:/bin:/usr/sbin:/sbin".Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Where(static folder => folder[0] == '/')
            .Select(folder => $"{folder}/{name}")
            .FirstOrDefault(File.Exists);

    private static bool CanWrite(string folder) => Access(folder, 2) == 0;

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "getegid")]
    private static partial uint EffectiveGroup();

    [LibraryImport("libc", EntryPoint = "access", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);
}
