using System.Collections.Concurrent;
using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Files;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Publishing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Cli.Importing;

/// <summary>
/// <c>import-cache</c>: publishes paths of a binary cache with all they refer to. Parts of the closure, references first, are unpacked to a
/// temporary folder and published like any other path; what the repository has is not fetched. Broken off, the same command goes on where it stopped.
/// </summary>
internal static class ImportCommand
{
    // One part: what lies on disk at once, but for a single path that is larger.
    private const long PartBytesMax = 1L << 30;
    private const int PartPathsMax = 500;
    private const int Parallel = 8;

    public static Command Build(CommandContext context)
    {
        var url = new Argument<string>("URL") { Description = "Binary cache, e.g. https://cache.example.org or file:///srv/cache" };
        var paths = new Argument<string[]>("PATH") { Description = "Full store paths", Arity = ArgumentArity.OneOrMore };
        Option<string?> repository = Arguments.RepositoryOption(required: true);
        var keys = new Option<string[]>("--trusted-key") { Description = "Public key that must have signed what is imported; repeatable, one is enough", HelpName = "NAME:BASE64" };
        var unsigned = new Option<bool>("--no-check-sigs") { Description = "Import whatever the cache holds" };
        var noClosure = new Option<bool>("--no-closure") { Description = "Only these paths, not what they refer to (that must be there already)" };
        var scratch = new Option<string?>("--scratch") { Description = "Folder for what is unpacked (default: a temporary one)", HelpName = "DIR" };
        var command = new Command("import-cache", "Publish paths from a binary cache of Nix") { url, paths, repository, keys, unsigned, noClosure, scratch };
        url.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string>() is { } text && (!Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("http" or "https" or "file")))
                r.AddError($"\"{text}\" is not a URL of a binary cache: http://, https:// or file://.");
        });
        keys.Validators.Add(r =>
        {
            foreach (string text in r.Tokens.Select(static token => token.Value).Where(static text => !IsKey(text)))
                r.AddError($"--trusted-key: \"{text}\" is not a public key of Nix, as cache.nixos.org-1:… of base 64.");
        });
        context.Check(command, (r, complain) =>
        {
            if (r.GetResult(keys) is null == !r.GetValue(unsigned))
                complain("import-cache needs either --trusted-key or --no-check-sigs.");
        });
        context.Handle(command, async (parse, cancellationToken) =>
        {
            ControlSettings settings = context.Global.Settings(parse);
            using var cache = new BinaryCache(new Uri(parse.GetRequiredValue(url)), settings.Timeout ?? ControlPlane.DefaultAnswerTime, context.Clock);
            StoreDirectory directory = await cache.StoreDirectoryAsync(cancellationToken);
            StorePathName[] roots = [.. parse.GetRequiredValue(paths).Select(path => Parse(directory, path)).Distinct()];
            NixPublicKey[]? trusted = parse.GetValue(unsigned) ? null : [.. parse.GetValue(keys)!.Select(static text => NixPublicKey.Parse(text))];
            IReadOnlyList<NarInfo> infos = await new CacheClosure(cache, directory, trusted).WalkAsync(roots, !parse.GetValue(noClosure), cancellationToken);

            string folder = Scratch(parse.GetValue(scratch));
            try
            {
                ImportJson result = await ImportAsync(context, settings, cache, directory, infos, parse.GetValue(repository)!, folder, cancellationToken);
                if (context.Json(parse))
                    context.Terminal.Json(result, JsonShapes.Plain.ImportJson);
                else
                    context.Terminal.Line($"imported {result.PathsNew} paths into {result.Repository} ({result.PathsPresent} were there), {Terminal.Bytes(result.BytesFetched)} fetched; revision {result.Revision}");
            }
            finally
            {
                BytePath.RemoveTree(BytePath.Of(folder));
            }

            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<ImportJson> ImportAsync(
        CommandContext context, ControlSettings settings, BinaryCache cache, StoreDirectory directory, IReadOnlyList<NarInfo> infos, string repository, string folder, CancellationToken cancellationToken)
    {
        using var control = new ControlPlane(settings, context.Terminal, context.Clock);
        using var packs = new PackUpload(settings.Token, tls: settings.Tls);
        var source = new CacheSource(infos);
        var store = new StorePaths(new StoreView(directory, folder), source);
        long fetched = 0;
        var unpacked = new ConcurrentDictionary<StorePathName, long>();
        var display = new ProgressDisplay(context.Terminal, context.Clock, bars: false);
        var publisher = new Publisher(control, packs, store, display, context.Terminal)
        {
            Fetch = (missing, token) => System.Threading.Tasks.Parallel.ForEachAsync(
                missing, new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = token },
                async (info, one) =>
                {
                    // A publish that is tried again, at another node say, finds what it fetched before.
                    if (unpacked.ContainsKey(info.Path))
                        return;
                    long count = await ArchiveUnpacker.FetchAsync(cache, source[info.Path], store.View.DiskPath(info.Path), one);
                    unpacked.TryAdd(info.Path, count);
                    Interlocked.Add(ref fetched, count);
                }),
        };
        Directory.CreateDirectory(folder + directory.Value);

        var result = new ImportJson(cache.Name, repository, [], 0, "", 0, 0, 0, 0);
        foreach (IReadOnlyList<NarInfo> part in Parts(infos))
        {
            PublishJson published = await publisher.PublishAsync(
                new PublishRequest
                {
                    Repository = repository,
                    Paths = [.. part.Select(info => directory.FullPath(info.Path))],
                    Closure = false,
                    Transaction = Guid.CreateVersion7(context.Clock.GetUtcNow()).ToString("D"),
                },
                cancellationToken);
            result = result with
            {
                Transactions = [.. result.Transactions, published.Transaction],
                Revision = published.Revision,
                RootHash = published.RootHash,
                PathsNew = result.PathsNew + published.PathsNew,
                PathsPresent = result.PathsPresent + published.PathsPresent,
                BytesFetched = fetched,
                BytesSent = result.BytesSent + published.BytesSent,
            };
            foreach (NarInfo info in part)
                BytePath.RemoveTree(store.View.DiskPath(info.Path));
        }

        return result;
    }

    private static IEnumerable<IReadOnlyList<NarInfo>> Parts(IReadOnlyList<NarInfo> infos)
    {
        List<NarInfo> part = [];
        long bytes = 0;
        foreach (NarInfo info in infos)
        {
            if (part.Count > 0 && (part.Count >= PartPathsMax || bytes > PartBytesMax - info.NarSize))
            {
                yield return part;
                (part, bytes) = ([], 0);
            }

            part.Add(info);
            bytes += info.NarSize;
        }

        if (part.Count > 0)
            yield return part;
    }

    private static string Scratch(string? folder)
    {
        try
        {
            return folder is null
                ? Directory.CreateTempSubdirectory("cvmfsnix-import-").FullName
                : Directory.CreateDirectory(Path.Combine(Path.GetFullPath(folder), $"import-{Guid.NewGuid():N}")).FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CliException.Usage($"The scratch folder cannot be made: {e.Message}", folder ?? Path.GetTempPath(), "name one that can be written with --scratch");
        }
    }

    private static StorePathName Parse(StoreDirectory directory, string path)
    {
        try
        {
            return directory.ParsePath(path);
        }
        catch (StorePathFormatException e)
        {
            throw CliException.Usage(e.Message, path, $"give full paths of the cache's store, {directory}/<hash>-<name>");
        }
    }

    private static bool IsKey(string text)
    {
        try
        {
            NixPublicKey.Parse(text);
            return true;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private sealed class CacheSource(IReadOnlyList<NarInfo> infos) : IPathInfoSource
    {
        private readonly Dictionary<StorePathName, NarInfo> _infos = infos.ToDictionary(static info => info.Path);

        public NarInfo this[StorePathName path] => _infos[path];

        public Task<IReadOnlyList<PathInfo>> QueryAsync(IReadOnlyList<StorePathName> roots, bool closure, CancellationToken cancellationToken) =>
            Task.FromResult(ReferenceOrder.Sort(roots.Select(root => _infos[root].ToPathInfo())));
    }
}
