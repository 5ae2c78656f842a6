using System.Buffers;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using CvmfsNix.Cluster.Verify.Running;

namespace CvmfsNix.Cluster.Verify.StorePaths;

/// <summary>
/// Compares store paths with what is registered for them: the NAR is made again from what a client sees, and every reference has to be in
/// the repository.
/// </summary>
internal sealed class StorePathCheck(VerifyRun run, Manifest manifest)
{
    private const int BufferBytes = 128 * 1024;

    /// <summary>Checks every registered store path of the repository; gives how many are there without being registered.</summary>
    public async Task<long> CheckAsync(NarRegistration registration, IReadOnlyList<string> masterPublicKeyPems, CancellationToken cancellationToken)
    {
        var options = new RepositoryReaderOptions
        {
            ExpectedName = manifest.RepositoryName, Clock = run.Options.Clock, Tag = run.Options.Tag, CacheDirectory = run.Scratch, DatabaseBytesMax = run.Options.DatabaseBytesMax,
        };
        RepositoryReader reader;
        try
        {
            reader = await RepositoryReader.OpenAsync(run.Source, masterPublicKeyPems, options, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsFound(e) || e is RepositoryTrustException)
        {
            // A client cannot open it, which was reported for what it is.
            return 0;
        }

        await using (reader.ConfigureAwait(false))
        {
            RepositoryPath directory = PlaceOf(registration.Directory, manifest.RepositoryName);
            List<StorePathName> here = await ListAsync(reader, directory, cancellationToken).ConfigureAwait(false);
            HashSet<StorePathName> present = [.. here];
            List<PathInfo> known = [.. here.Where(registration.Infos.ContainsKey).Select(p => registration.Infos[p])];
            run.FoundStorePaths(known.Count);
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = run.Options.Parallelism, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(known, parallel, async (info, token) =>
            {
                RepositoryPath path = directory.Combine(info.Path.Value);
                foreach (StorePathName reference in info.References.Where(r => !present.Contains(r)))
                    run.Findings.Add(VerifyRules.Closure, path.ToString(), $"The store path refers to {reference}, which is not in the repository.");
                await CompareAsync(reader, path, info, token).ConfigureAwait(false);
                run.DidStorePath();
            }).ConfigureAwait(false);
            return here.Count - known.Count;
        }
    }

    /// <summary>Where a store directory lies in a repository: below the mount point at what follows it, any other at its own path.</summary>
    public static RepositoryPath PlaceOf(StoreDirectory directory, string repository)
    {
        string mount = $"/cvmfs/{repository}/";
        return RepositoryPath.Parse(directory.Value.StartsWith(mount, StringComparison.Ordinal) ? directory.Value[(mount.Length - 1)..] : directory.Value);
    }

    private static async Task<List<StorePathName>> ListAsync(RepositoryReader reader, RepositoryPath directory, CancellationToken cancellationToken)
    {
        var names = new List<StorePathName>();
        try
        {
            await foreach (CatalogEntry entry in reader.ListAsync(directory, includeHidden: false, cancellationToken).ConfigureAwait(false))
            {
                if (StorePathName.TryParse(Encoding.Latin1.GetString(entry.Path.Name.Span), out StorePathName name))
                    names.Add(name);
            }
        }
        catch (Exception e) when (IsFound(e))
        {
            return [];
        }

        return names;
    }

    private async Task CompareAsync(RepositoryReader reader, RepositoryPath path, PathInfo info, CancellationToken cancellationToken)
    {
        try
        {
            using var nar = new NarHashBuilder();
            await BuildAsync(reader, path, nar, cancellationToken).ConfigureAwait(false);
            (Nix.Hashing.NarHash hash, long size) = nar.Finish();
            if (hash != info.NarHash || size != info.NarSize)
                run.Findings.Add(VerifyRules.NarHash, path.ToString(), $"The NAR has {hash} and {size} bytes; {info.NarHash} and {info.NarSize} are registered.");
        }
        catch (ObjectCorruptException e) when (!run.Options.Deep && e.Name is { } name)
        {
            // Nobody has read this object yet; deep, the pass over all objects has said it.
            run.Findings.Add(new Finding(VerifyRules.ObjectDigest, path.ToString(), null, name.ToString(), e.Message));
        }
        catch (Exception e) when (IsFound(e))
        {
            // Catalogs and objects that are missing or damaged were reported as such.
        }
        catch (Exception e) when (e is NarFormatException or NarTreeException or RepositoryPathException)
        {
            run.Findings.Add(VerifyRules.NarHash, path.ToString(), $"No NAR can be made of it: {e.Message}");
        }
    }

    private static async Task BuildAsync(RepositoryReader reader, RepositoryPath top, NarHashBuilder nar, CancellationToken cancellationToken)
    {
        var open = new Stack<RepositoryPath>();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            await foreach (CatalogEntry entry in reader.WalkAsync(top, includeHidden: false, cancellationToken).ConfigureAwait(false))
            {
                while (open.TryPeek(out RepositoryPath directory) && !entry.Path.IsAtOrBelow(directory))
                {
                    nar.EndDirectory();
                    open.Pop();
                }

                ReadOnlyMemory<byte> name = entry.Path == top ? default : entry.Path.Name;
                switch (entry.Type)
                {
                    case EntryType.Directory:
                        nar.BeginDirectory(name.Span);
                        open.Push(entry.Path);
                        break;
                    case EntryType.Symlink:
                        nar.Symlink(name.Span, entry.SymlinkTarget.Span);
                        break;
                    case EntryType.Regular:
                        await AddFileAsync(reader, entry, name, nar, buffer, cancellationToken).ConfigureAwait(false);
                        break;
                    default:
                        throw new RepositoryPathException(entry.Path, "is neither directory, file nor symbolic link");
                }
            }

            while (open.TryPop(out _))
                nar.EndDirectory();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task AddFileAsync(RepositoryReader reader, CatalogEntry entry, ReadOnlyMemory<byte> name, NarHashBuilder nar, byte[] buffer, CancellationToken cancellationToken)
    {
        const uint ownerMayExecute = 0b001_000_000;
        nar.BeginFile(name.Span, (entry.Mode & ownerMayExecute) != 0, entry.Size);
        Stream content = await reader.OpenFileAsync(entry, cancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
        {
            int count;
            while ((count = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
                nar.AppendFile(buffer.AsSpan(0, count));
        }

        nar.EndFile();
    }

    private static bool IsFound(Exception e) => e is ObjectMissingException or ObjectCorruptException or CatalogFormatException or RepositoryPathException;
}
