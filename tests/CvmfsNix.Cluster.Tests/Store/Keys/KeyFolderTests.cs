using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Store.Keys;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Keys;

public sealed class KeyFolderTests : IDisposable
{
    private const string Repository = "keys.example.org";
    private static readonly DateTimeOffset Now = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private readonly StoreFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private KeyFolder Keys => new(_folder.At("keys"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Keys_are_made_once_and_found_again_also_by_those_who_ask_at_the_same_time()
    {
        Assert.Null(Keys.TryLoad(Repository));
        RepositoryKeySet[] sets = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Keys.CreateOrLoadAsync(Repository, Now, Token)));
        RepositoryKeySet loaded = Keys.TryLoad(Repository)!;
        Assert.All(sets, set =>
        {
            Assert.Equal(loaded.Cvmfs.Certificate.Fingerprint(), set.Cvmfs.Certificate.Fingerprint());
            Assert.Equal(loaded.Cvmfs.MasterPublicKeyPem, set.Cvmfs.MasterPublicKeyPem);
            Assert.Equal(loaded.Nix.ToSecretString(), set.Nix.ToSecretString());
        });
        Assert.NotNull(loaded.Cvmfs.MasterKey);
        Assert.Equal(
            [".crt", ".key", ".masterkey", ".nix.pub", ".nix.sec", ".pub"],
            Directory.GetFileSystemEntries(_folder.At("keys"), Repository + "*").Select(f => Path.GetFileName(f)[Repository.Length..]).Order(StringComparer.Ordinal));
        Assert.Empty(Directory.GetDirectories(_folder.At("keys")));
        Assert.Equal(loaded.Nix.PublicKey.ToString(), await File.ReadAllTextAsync(_folder.At($"keys/{Repository}.nix.pub"), Token));
        if (OperatingSystem.IsWindows())
            return;
        foreach (string secret in (string[])[".key", ".masterkey", ".nix.sec"])
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.At("keys/" + Repository + secret)));
    }

    [Fact]
    public async Task Keys_that_a_killed_process_had_decided_on_are_the_keys()
    {
        using RepositoryKeys decided = RepositoryKeys.Create(Repository, Now);
        decided.Save(_folder.At($"keys/.{Repository}.new"));
        // The first of its files was copied already, a later draft of somebody else was not finished.
        File.Copy(_folder.At($"keys/.{Repository}.new/{Repository}.masterkey"), _folder.At($"keys/{Repository}.masterkey"));
        Directory.CreateDirectory(_folder.At($"keys/.{Repository}.new.tmp"));
        RepositoryKeySet set = await Keys.CreateOrLoadAsync(Repository, Now, Token);
        Assert.Equal(decided.Certificate.Fingerprint(), set.Cvmfs.Certificate.Fingerprint());
        Assert.Equal(decided.Certificate.Fingerprint(), Keys.TryLoad(Repository)!.Cvmfs.Certificate.Fingerprint());
    }

    [Fact]
    public async Task Pairs_that_sign_later_lie_beside_the_first_one_and_are_found_by_their_certificates()
    {
        Assert.Contains("no keys", (await Assert.ThrowsAsync<KeyFileException>(() => Keys.CreateNextAsync(Repository, Now, Token))).Message, StringComparison.Ordinal);
        RepositoryKeySet first = await Keys.CreateOrLoadAsync(Repository, Now, Token);
        (int Pair, RepositoryCertificate Certificate) second = await Keys.CreateNextAsync(Repository, Now, Token), third = await Keys.CreateNextAsync(Repository, Now, Token);
        Assert.Equal((2, 3), (second.Pair, third.Pair));
        string[] fingerprints = [first.Cvmfs.Certificate.Fingerprint(), second.Certificate.Fingerprint(), third.Certificate.Fingerprint()];
        Assert.Equal(3, fingerprints.Distinct().Count());
        Assert.Equal(fingerprints, Keys.Certificates(Repository).Select(c => c.Certificate.Fingerprint()));
        Assert.Equal(1, Keys.TryLoad(Repository)!.Cvmfs.Pair);
        Assert.Equal(fingerprints[2], Find(fingerprints[2])!.Cvmfs.Certificate.Fingerprint());
        Assert.Null(Find("none"));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.At($"keys/{Repository}.key.3")));

        // Names that only look like pairs are none; half a pair signs nothing, and hides no other.
        File.WriteAllText(_folder.At($"keys/{Repository}.key.04"), "");
        File.WriteAllText(_folder.At($"keys/{Repository}.key.1"), "");
        File.WriteAllText(_folder.At($"keys/{Repository}.key.bak"), "");
        File.Delete(_folder.At($"keys/{Repository}.crt.2"));
        Assert.Equal([fingerprints[0], fingerprints[2]], Keys.Certificates(Repository).Select(c => c.Certificate.Fingerprint()));
        Assert.NotNull(Find(fingerprints[2]));
        Assert.Contains(".crt.2", Assert.Throws<KeyFileException>(() => Find(fingerprints[1])).Message, StringComparison.Ordinal);

        // Without the first pair the others are as good.
        File.Delete(_folder.At($"keys/{Repository}.crt"));
        File.Delete(_folder.At($"keys/{Repository}.key"));
        File.Delete(_folder.At($"keys/{Repository}.key.2"));
        Assert.Equal(3, Keys.TryLoad(Repository)!.Cvmfs.Pair);

        RepositoryKeySet? Find(string fingerprint) => Keys.TryLoad(Repository, c => c.Fingerprint() == fingerprint);
    }

    [Fact]
    public async Task A_damaged_nix_key_is_named()
    {
        await Keys.CreateOrLoadAsync(Repository, Now, Token);
        string file = _folder.At($"keys/{Repository}.nix.sec");
        await File.WriteAllTextAsync(file, "nonsense", Token);
        var error = Assert.Throws<KeyFileException>(() => Keys.TryLoad(Repository));
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
    }
}
