using System.CommandLine;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Cli.Keys;

/// <summary><c>key whitelist sign</c>: on the machine that has the master key, which needs no network.</summary>
internal static class WhitelistCommands
{
    private const int DaysUsual = 30;
    private const int DaysMax = 366;

    public static Command Build(CommandContext context) => new("whitelist", "Whitelists signed where the master key is") { Sign(context) };

    private static Command Sign(CommandContext context)
    {
        Argument<string> repository = Arguments.Repository();
        var keys = new Option<string>("--keys") { Description = "Folder with FQRN.masterkey and FQRN.crt (and FQRN.crt.2 and so on: every one that is there is named)", HelpName = "DIR", Required = true };
        var days = new Option<int>("--days") { Description = $"How long clients believe it, from 1 to {DaysMax} (default {DaysUsual})", HelpName = "N", DefaultValueFactory = _ => DaysUsual };
        var output = new Option<string?>("--out") { Description = "File to write (default FQRN.whitelist in the folder of the keys)", HelpName = "FILE" };
        var hash = new Option<string>("--hash") { Description = "Algorithm of the repository: sha1 (default) or shake128", HelpName = "NAME", DefaultValueFactory = _ => "sha1" };
        days.Validators.Add(r =>
        {
            if (r.Tokens is [var token] && int.TryParse(token.Value, out int n) && n is < 1 or > DaysMax)
                r.AddError($"--days is a number from 1 to {DaysMax}.");
        });
        hash.AcceptOnlyFromAmong("sha1", "shake128");
        var command = new Command("sign", "Sign a whitelist for the certificates of a repository; put the file into the key folder of its nodes") { repository, keys, days, output, hash };
        context.Handle(command, (parse, _) =>
        {
            string name = parse.GetRequiredValue(repository);
            string folder = Path.GetFullPath(parse.GetRequiredValue(keys));
            string file = parse.GetValue(output) is { } said ? Path.GetFullPath(said) : Path.Combine(folder, name + ".whitelist");
            DateTimeOffset now = context.Clock.GetUtcNow();
            var created = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
            var algorithm = parse.GetRequiredValue(hash) == "shake128" ? HashAlgorithmId.Shake128 : HashAlgorithmId.Sha1;
            Whitelist whitelist;
            try
            {
                (RSA master, IReadOnlyList<RepositoryCertificate> certificates) = RepositoryKeys.LoadForWhitelist(folder, name);
                using (master)
                {
                    whitelist = new Whitelist { CreatedAt = created, ExpiresAt = created.AddDays(parse.GetValue(days)), RepositoryName = name, Fingerprints = [.. certificates.Select(c => c.Fingerprint())] };
                    File.WriteAllBytes(file + ".new", whitelist.Sign(master, algorithm));
                    File.Move(file + ".new", file, overwrite: true);
                }
            }
            catch (Exception e) when (e is KeyFileException or IOException or UnauthorizedAccessException)
            {
                throw new CliException("KeyFile", e.Message, folder, "name the folder that holds the master key and the certificate of this repository", innerException: e);
            }

            var json = new SignedWhitelistJson(name, file, Terminal.Time(whitelist.CreatedAt), Terminal.Time(whitelist.ExpiresAt), whitelist.Fingerprints);
            if (context.Json(parse))
                context.Terminal.Json(json, JsonShapes.Plain.SignedWhitelistJson);
            else
                context.Terminal.Line($"{file}: whitelist of {name}, {(whitelist.Fingerprints.Count == 1 ? "1 certificate" : $"{whitelist.Fingerprints.Count} certificates")}, good until {json.WhitelistExpiresAt}");
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }
}
