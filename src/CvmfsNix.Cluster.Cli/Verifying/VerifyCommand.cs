using System.CommandLine;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Reading;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;

namespace CvmfsNix.Cluster.Cli.Verifying;

/// <summary><c>verify</c>: checks a whole repository. Exit code 0 says that it is clean, 1 that there are findings, 4 that it could not be checked.</summary>
internal static class VerifyCommand
{
    private const int ParallelDefault = 8;
    private const int ParallelMax = 256;

    public static Command Build(CommandContext context)
    {
        var location = new Argument<string>("URL|DIR") { Description = "Repository URL, http://HOST:PORT/cvmfs/FQRN, or a repository folder" };
        var publicKey = new Option<string>("--pubkey") { Description = "File with the repository's public key", HelpName = "FILE", Required = true };
        var deep = new Option<bool>("--deep") { Description = "Read every object, hash and inflate it (without: ask whether it is there)" };
        var tag = new Option<string?>("--tag") { Description = "Check the revision of this tag alone (default: the newest and those of all tags)", HelpName = "NAME" };
        var registration = new Option<string?>("--registration") { Description = "Compare store paths with the NAR hashes and references in FILE (nix-store --dump-db)", HelpName = "FILE" };
        var parallel = new Option<int>("--parallel") { Description = $"Catalogs or objects at once (default {ParallelDefault})", HelpName = "N", DefaultValueFactory = _ => ParallelDefault };
        parallel.Validators.Add(r =>
        {
            // What is no number at all the library reports, and its typed getter would throw.
            if (r.Tokens is [var token] && int.TryParse(token.Value, out int count) && count is < 1 or > ParallelMax)
                r.AddError($"--parallel is a number from 1 to {ParallelMax}.");
        });
        var command = new Command("verify", "Check a repository against every rule of the format: ours, a replica or any other") { location, publicKey, deep, tag, registration, parallel };
        context.Handle(command, async (parse, cancellationToken) =>
        {
            string where = parse.GetRequiredValue(location);
            string key = await ReadKeyAsync(parse.GetRequiredValue(publicKey), cancellationToken);
            using IRepositorySource source = RepositoryAccess.OpenSource(where, parse.GetValue(context.Global.Timeout), "URL|DIR");
            var options = new VerifyOptions
            {
                Deep = parse.GetValue(deep),
                Tag = parse.GetValue(tag),
                ExpectedName = RepositoryAccess.NameIn(where),
                Parallelism = parse.GetValue(parallel),
                Clock = context.Clock,
                NarHashes = await RegistrationAsync(parse.GetValue(registration), cancellationToken),
            };
            VerifyReport report = await RunAsync(context, source, key, options, cancellationToken);
            if (context.Json(parse))
                context.Terminal.Json(VerifyView.ToJson(report), JsonShapes.Plain.VerifyJson);
            else
                VerifyView.Print(context.Terminal, report, options);
            return report.IsClean ? ExitCode.Done : ExitCode.No;
        });
        return command;
    }

    private static async Task<VerifyReport> RunAsync(CommandContext context, IRepositorySource source, string key, VerifyOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await new VerifyDisplay(context.Terminal, context.Clock).RunAsync(
                $"verifying {source.Description}", progress => RepositoryVerifier.RunAsync(source, [key], options, progress, cancellationToken));
        }
        catch (RepositoryTrustException e) when (e.Step == TrustStep.Tag)
        {
            throw new CliException("UnknownTag", e.Message, options.Tag ?? "", "leave --tag out to check all tags", innerException: e);
        }
        catch (Exception e) when (e is RepositoryUnreachableException or RepositoryNotFoundException)
        {
            throw new CliException(
                e is RepositoryNotFoundException ? "RepositoryNotFound" : "Unreachable", e.Message, source.Description,
                e is RepositoryNotFoundException ? "the URL ends in /cvmfs/FQRN; a folder holds .cvmfspublished" : "check that the server runs and that the URL is right, then ask again",
                ExitCode.Unknown, e);
        }
    }

    private static async Task<string> ReadKeyAsync(string file, CancellationToken cancellationToken)
    {
        const string Hint = "name the FQRN.pub file of the repository";
        try
        {
            string pem = await File.ReadAllTextAsync(file, cancellationToken);
            using var _ = RepositoryKeys.ReadPublicKeyPem(pem);
            return pem;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CliException.Usage($"The public key cannot be read: {e.Message}", file, Hint);
        }
        catch (KeyFileException e)
        {
            throw CliException.Usage($"The public key is none: {e.Message}", file, Hint);
        }
    }

    private static async Task<NarRegistration?> RegistrationAsync(string? file, CancellationToken cancellationToken)
    {
        if (file is null)
            return null;
        try
        {
            StoreDirectory directory = DirectoryOf(file);
            RegistrationFileSource source = await RegistrationFileSource.LoadAsync(file, directory, cancellationToken);
            IReadOnlyList<PathInfo> infos = await source.QueryAsync(source.Paths, closure: false, cancellationToken);
            return new NarRegistration(directory, infos.ToDictionary(i => i.Path));
        }
        catch (Exception e) when (e is RegistrationFormatException or PathInfoSourceException or StorePathFormatException or IOException or UnauthorizedAccessException)
        {
            throw CliException.Usage($"The registration cannot be read: {e.Message}", file, "make it with: nix-store --dump-db $(nix-store -qR PATH…) > FILE");
        }
    }

    // The file's first line is a path of the store it is of; the tools of this machine may use another.
    private static StoreDirectory DirectoryOf(string file)
    {
        using var lines = new StreamReader(file);
        var first = new char[8192];
        int length = lines.ReadBlock(first);
        string line = new(first.AsSpan(0, length).IndexOf('\n') is var end and >= 0 ? first.AsSpan(0, end) : first.AsSpan(0, length));
        int slash = line.LastIndexOf('/');
        return slash > 0 ? StoreDirectory.Parse(line[..slash]) : StoreDirectory.Default;
    }
}
