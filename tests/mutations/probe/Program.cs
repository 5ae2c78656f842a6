using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Store.Commit.Guard;
using CvmfsNix.Cluster.TestKit.Store;
using CvmfsNix.Cluster.TestKit.Written;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;

// Writes repositories and checks them. A line on standard output for each finding: the rule, then where and what.
// A writer that stops by itself is a line too. Exit code 0 = clean, 1 = something was found.
int lines = 0;
foreach (HashAlgorithmId algorithm in (HashAlgorithmId[])[HashAlgorithmId.Sha1, HashAlgorithmId.Shake128])
{
    await ProbeAsync($"formats, {algorithm}", async () =>
    {
        using FormatRepository repository = FormatRepository.Create(algorithm);
        return await CheckAsync(repository.Folder, repository.MasterPublicKeyPem);
    });
    await ProbeAsync($"store, {algorithm}", async () =>
    {
        await using TestRepository repository = await StoreRepository.CreateAsync(CancellationToken.None, algorithm);
        return await CheckAsync(repository.RepositoryFolder, repository.Keys.MasterPublicKeyPem);
    });
}

// Later revisions read what earlier ones wrote, and a broken writer may stop at that; a single one shows it to the checker.
await ProbeAsync("store, one revision", async () =>
{
    await using TestRepository repository = await TestRepository.CreateAsync(CancellationToken.None);
    await repository.PublishAsync(CancellationToken.None, SyntheticPath.Package("package"));
    return await CheckAsync(repository.RepositoryFolder, repository.Keys.MasterPublicKeyPem);
});

return lines == 0 ? 0 : 1;

async Task ProbeAsync(string what, Func<Task<VerifyReport>> writeAndCheck)
{
    try
    {
        foreach (Finding finding in (await writeAndCheck()).Findings)
            Print(finding.Rule, finding.Path + " " + finding.Message);
    }
    catch (CommitNotValidException e)
    {
        // The rule as the checker names it, broken in what was about to be published.
        Print(e.Rule, $"{e.Path} refused before the append: {e.Message}");
    }
    catch (Exception e)
    {
        Print("stopped", $"{e.GetType().Name}: {e.Message}");
    }

    void Print(string rule, string text)
    {
        lines++;
        Console.WriteLine($"{rule} ({what}) {text.ReplaceLineEndings(" ")}");
    }
}

static Task<VerifyReport> CheckAsync(string folder, string masterKey) => RepositoryVerifier.RunAsync(
    new DirectorySource(folder), [masterKey], new VerifyOptions { Deep = true }, null, CancellationToken.None);
