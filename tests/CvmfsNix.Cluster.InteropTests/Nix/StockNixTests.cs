using System.Security.Cryptography;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Files;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Nix;

/// <summary>Our archives, hashes, registrations, closures and signatures are those of the Nix that is installed here.</summary>
public sealed class StockNixTests : IDisposable
{
    private readonly Lazy<NixSandbox> _sandbox = new(static () => new NixSandbox());

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private NixSandbox Sandbox
    {
        get
        {
            Assert.SkipUnless(NixSandbox.Missing is null, NixSandbox.Missing ?? "");
            return _sandbox.Value;
        }
    }

    public void Dispose()
    {
        if (_sandbox.IsValueCreated)
            _sandbox.Value.Dispose();
    }

    [Fact]
    public async Task Every_path_of_a_closure_has_the_hash_size_references_and_order_nix_registered()
    {
        NixSandbox nix = Sandbox;
        StorePathName root = await nix.BuildAsync("synth.nix", "--arg", "n", "60", "--argstr", "seed", "interop");
        IReadOnlyList<PathInfo> infos = await new LocalNixStore(nix.StoreDirectory, environment: nix.Environment).QueryAsync([root], closure: true, Token);

        string[] closure = await nix.LinesAsync("nix-store", "-qR", nix.StoreDirectory.FullPath(root));
        Assert.Equal(closure.Order(StringComparer.Ordinal), infos.Select(info => nix.StoreDirectory.FullPath(info.Path)).Order(StringComparer.Ordinal));
        Assert.True(infos.Count > 20);
        Assert.Contains(infos, static info => info.References.Contains(info.Path));

        HashSet<StorePathName> before = [];
        foreach (PathInfo info in infos)
        {
            string path = nix.StoreDirectory.FullPath(info.Path);
            Assert.Equal((info.NarHash, info.NarSize), await NarFromDisk.HashAsync(path, Token));
            Assert.All(info.References, reference => Assert.True(reference == info.Path || before.Contains(reference)));
            Assert.Equal(
                (await nix.LinesAsync("nix-store", "-q", "--references", path)).Order(StringComparer.Ordinal),
                info.References.Select(nix.StoreDirectory.FullPath));
            before.Add(info.Path);
        }
    }

    [Fact]
    public async Task A_registration_is_read_and_written_as_nix_prints_it()
    {
        NixSandbox nix = Sandbox;
        StorePathName root = await nix.BuildAsync("synth.nix", "--arg", "n", "30", "--argstr", "seed", "registration");
        string[] closure = await nix.LinesAsync("nix-store", "-qR", nix.StoreDirectory.FullPath(root));
        byte[] dump = await nix.RunAsync("nix-store", ["--dump-db", .. closure]);

        List<PathInfo> infos = [];
        await foreach (PathInfo info in Registration.ReadAsync(new MemoryStream(dump), nix.StoreDirectory, Token))
            infos.Add(info);
        Assert.All(infos, static info => Assert.NotNull(info.Deriver));
        StringWriter written = new();
        Registration.Write(written, nix.StoreDirectory, infos);
        Assert.Equal(System.Text.Encoding.ASCII.GetString(dump), written.ToString());

        RegistrationFileSource file = await RegistrationFileSource.ReadAsync(new MemoryStream(dump), "dump", nix.StoreDirectory, Token);
        Assert.Equal(
            await new LocalNixStore(nix.StoreDirectory, environment: nix.Environment).QueryAsync([root], closure: true, Token),
            await file.QueryAsync([root], closure: true, Token));
    }

    [Fact]
    public async Task A_path_full_of_odd_names_has_the_archive_nix_makes_and_survives_reading()
    {
        NixSandbox nix = Sandbox;
        StorePathName root = await nix.BuildAsync("odd.nix");
        string path = nix.StoreDirectory.FullPath(root);
        byte[] expected = await nix.RunAsync("nix-store", "--dump", path);
        NarHash expectedHash = new(SHA256.HashData(expected));

        PathInfo info = Assert.Single(await new LocalNixStore(nix.StoreDirectory, environment: nix.Environment).QueryAsync([root], closure: false, Token));
        Assert.Equal(expectedHash, info.NarHash);
        Assert.Equal((expectedHash, (long)expected.Length), await NarFromDisk.HashAsync(path, Token));

        using MemoryStream written = new(expected.Length);
        await NarFromDisk.WriteAsync(path, written, Token);
        Assert.True(expected.AsSpan().SequenceEqual(written.GetBuffer().AsSpan(0, (int)written.Length)), "the written archive differs from nix-store --dump");

        written.SetLength(0);
        await CopyThroughReaderAsync(new MemoryStream(expected), written);
        Assert.True(expected.AsSpan().SequenceEqual(written.GetBuffer().AsSpan(0, (int)written.Length)), "the archive changed on the way through reader and writer");
        Assert.Contains(DiskTree.List(DiskPath.FromText(path + "/names")), static entry => entry.Name.Span.SequenceEqual((ReadOnlySpan<byte>)[.. "not-utf8-"u8, 0xff, 0x80]));
        Assert.Equal(500, DiskTree.List(DiskPath.FromText(path + "/links")).Count);
    }

    [Theory]
    [InlineData("file")]
    [InlineData("program")]
    [InlineData("link")]
    public async Task A_path_that_is_a_single_file_or_symlink_has_the_hash_nix_gives_it(string kind)
    {
        NixSandbox nix = Sandbox;
        string folder = Directory.CreateDirectory(nix.StoreDirectory.Value + "-in").FullName;
        string source = Path.Combine(folder, kind);
        if (kind == "link")
            File.CreateSymbolicLink(source, "/nowhere/at all");
        else
            await File.WriteAllTextAsync(source, "content of " + kind, Token);
        if (kind == "program")
            await nix.RunAsync("chmod", "0544", source);
        byte[] expected = await nix.RunAsync("nix-store", "--dump", source);
        Assert.Equal((new NarHash(SHA256.HashData(expected)), (long)expected.Length), await NarFromDisk.HashAsync(source, Token));
    }

    [Fact]
    public async Task Content_addressed_paths_are_computed_as_nix_does()
    {
        NixSandbox nix = Sandbox;
        string file = nix.StoreDirectory.Value + "-input";
        await File.WriteAllTextAsync(file, "some content\n", Token);
        string added = (await nix.LinesAsync("nix-store", "--add", file)).Single();
        string flat = (await nix.LinesAsync("nix-store", "--add-fixed", "sha256", file)).Single();
        string sha1 = (await nix.LinesAsync("nix-store", "--add-fixed", "--recursive", "sha1", file)).Single();
        byte[] nar = await nix.RunAsync("nix-store", "--dump", file);
        NarHash narHash = new(SHA256.HashData(nar));
        byte[] content = await File.ReadAllBytesAsync(file, Token);
        string name = Path.GetFileName(file);

        Assert.Equal(added, nix.StoreDirectory.FullPath(StorePathComputation.FromSource(nix.StoreDirectory, name, narHash, [], selfReference: false)));
        Assert.Equal(flat, nix.StoreDirectory.FullPath(StorePathComputation.FromFixedOutput(nix.StoreDirectory, name, "sha256", SHA256.HashData(content), recursive: false)));
        Assert.Equal(sha1, nix.StoreDirectory.FullPath(StorePathComputation.FromFixedOutput(nix.StoreDirectory, name, "sha1", SHA1.HashData(nar), recursive: true)));
    }

    [Fact]
    public async Task Keys_narinfos_and_signatures_of_nix_are_ours()
    {
        NixSandbox nix = Sandbox;
        StorePathName root = await nix.BuildAsync("synth.nix", "--arg", "n", "5", "--argstr", "seed", "signing");
        string secret = nix.StoreDirectory.Value + "-sk", @public = nix.StoreDirectory.Value + "-pk", cache = nix.StoreDirectory.Value + "-cache";
        await nix.RunAsync("nix-store", "--generate-binary-cache-key", "interop-1", secret, @public);
        await nix.RunAsync("nix", "copy", "--extra-experimental-features", "nix-command", "--to", $"file://{cache}?compression=none&secret-key={secret}", nix.StoreDirectory.FullPath(root));

        NixSecretKey key = NixSecretKey.Parse(await File.ReadAllTextAsync(secret, Token));
        NixPublicKey publicKey = NixPublicKey.Parse(await File.ReadAllTextAsync(@public, Token));
        Assert.Equal(publicKey, key.PublicKey);
        Assert.Equal((await File.ReadAllTextAsync(secret, Token)).Trim(), key.ToSecretString());

        string[] files = Directory.GetFiles(cache, "*.narinfo");
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            string text = await File.ReadAllTextAsync(file, Token);
            NarInfo info = NarInfo.Parse(text);
            Assert.Equal(text, info.ToString());
            string fingerprint = Fingerprint.Of(info.StoreDirectory, info.ToPathInfo());
            Assert.Equal(Assert.Single(info.Signatures), key.Sign(fingerprint));
            Assert.True(publicKey.Verify(fingerprint, info.Signatures[0]));
        }
    }

    [Fact]
    public async Task A_path_that_is_not_valid_is_refused_with_the_reason_of_nix()
    {
        NixSandbox nix = Sandbox;
        StorePathName unknown = StorePathName.Parse("00000000000000000000000000000000-unknown");
        LocalNixStore store = new(nix.StoreDirectory, environment: nix.Environment);
        foreach (bool closure in (bool[])[false, true])
        {
            PathInfoSourceException e = await Assert.ThrowsAsync<PathInfoSourceException>(() => store.QueryAsync([unknown], closure, Token));
            Assert.Contains("is not valid", e.Message, StringComparison.Ordinal);
            Assert.Contains(unknown.Value, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Thousands_of_paths_are_asked_for_in_parts()
    {
        NixSandbox nix = Sandbox;
        string folder = Directory.CreateDirectory(nix.StoreDirectory.Value + "-in").FullName;
        string[] files = [.. Enumerable.Range(0, 3000).Select(i => Path.Combine(folder, $"{i:d4}-{new string('x', 80)}"))];
        foreach (string file in files)
            await File.WriteAllTextAsync(file, file, Token);
        List<StorePathName> added = [];
        foreach (string[] part in files.Chunk(1000))
            added.AddRange((await nix.LinesAsync("nix-store", ["--add", .. part])).Select(nix.StoreDirectory.ParsePath));
        IReadOnlyList<PathInfo> infos = await new LocalNixStore(nix.StoreDirectory, environment: nix.Environment).QueryAsync(added, closure: true, Token);
        Assert.Equal(added.Order(), infos.Select(static info => info.Path));
    }

    private static async Task CopyThroughReaderAsync(Stream nar, Stream destination)
    {
        using NarReader reader = new(nar);
        using NarWriter writer = new(destination);
        while (await reader.ReadAsync(Token) is { } step)
        {
            switch (step.Kind)
            {
                case NarEventKind.DirectoryBegin:
                    await writer.BeginDirectoryAsync(step.Name, Token);
                    break;
                case NarEventKind.DirectoryEnd:
                    await writer.EndDirectoryAsync(Token);
                    break;
                case NarEventKind.File:
                    await writer.WriteFileAsync(step.Name, step.Executable, step.Size, step.Content, Token);
                    break;
                default:
                    await writer.WriteSymlinkAsync(step.Name, step.Target, Token);
                    break;
            }
        }

        await writer.FinishAsync(Token);
    }
}
