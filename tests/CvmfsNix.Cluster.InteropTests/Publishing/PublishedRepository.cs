using System.Text.Json;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Publishing;

/// <summary>A repository of a node, published to from a Nix store and read back over HTTP with its public key only.</summary>
internal sealed class PublishedRepository(EmbeddedNode node, NixSandbox nix, string name, string publicKey)
{
    private const uint OwnerExecutes = 0b001_000_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public string Name => name;

    public static async Task<PublishedRepository> CreateAsync(EmbeddedNode node, NixSandbox nix, string name, params string[] options)
    {
        ProgramRun created = await node.CliAsync(["repo", "create", name, "--json", .. options], null, Token);
        return new PublishedRepository(node, nix, name, created.Json.GetProperty("publicKey").GetString()!);
    }

    /// <summary>Runs <c>publish --repo … ARGUMENTS --json</c> with the store's environment; its one document.</summary>
    public async Task<JsonElement> PublishAsync(params string[] arguments) =>
        (await node.CliAsync(["publish", "--repo", name, "--json", .. arguments], nix.Environment, Token)).Json;

    public async Task<RepositoryReader> OpenAsync() => await RepositoryReader.OpenAsync(
        new HttpSource(node.RepositoryUrl(name)), [publicKey], new RepositoryReaderOptions { ExpectedName = name }, Token);

    /// <summary>Runs <c>verify --deep</c> over HTTP, with all that Nix has registered; its one document, which must be without findings.</summary>
    public async Task<JsonElement> VerifyAsync()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("cvmfsnix-verify-");
        try
        {
            string key = Path.Combine(folder.FullName, "pub"), registration = Path.Combine(folder.FullName, "registration");
            await File.WriteAllTextAsync(key, publicKey, Token);
            await File.WriteAllBytesAsync(registration, await nix.RunAsync("nix-store", "--dump-db"), Token);
            ProgramRun run = await node.CliAsync(
                ["verify", node.RepositoryUrl(name).ToString(), "--pubkey", key, "--deep", "--registration", registration, "--json"], null, Token);
            Assert.Equal("[]", run.Json.GetProperty("findings").GetRawText());
            Assert.Equal(0, run.ExitCode);
            return run.Json;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Hash and size of the archive put together from what is served at a path.</summary>
    public static async Task<(NarHash Hash, long Size)> NarOfAsync(RepositoryReader reader, RepositoryPath path)
    {
        using var archive = new NarHashBuilder();
        var open = new Stack<RepositoryPath>();
        byte[] part = new byte[256 * 1024];
        await foreach (CatalogEntry entry in reader.WalkAsync(path, includeHidden: false, Token))
        {
            while (open.TryPeek(out RepositoryPath directory) && entry.Path.Parent != directory)
            {
                archive.EndDirectory();
                open.Pop();
            }

            ReadOnlyMemory<byte> entryName = entry.Path == path ? default : entry.Path.Name;
            switch (entry.Type)
            {
                case EntryType.Directory:
                    archive.BeginDirectory(entryName.Span);
                    open.Push(entry.Path);
                    break;
                case EntryType.Regular:
                    archive.BeginFile(entryName.Span, (entry.Mode & OwnerExecutes) != 0, entry.Size);
                    await using (Stream content = await reader.OpenFileAsync(entry, Token))
                    {
                        int count;
                        while ((count = await content.ReadAsync(part, Token)) > 0)
                            archive.AppendFile(part.AsSpan(0, count));
                    }

                    archive.EndFile();
                    break;
                case EntryType.Symlink:
                    archive.Symlink(entryName.Span, entry.SymlinkTarget.Span);
                    break;
                default:
                    Assert.Fail($"{entry.Path} is no file that a store path may hold.");
                    break;
            }
        }

        while (open.TryPop(out _))
            archive.EndDirectory();
        return archive.Finish();
    }
}
