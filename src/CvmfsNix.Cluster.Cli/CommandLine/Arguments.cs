using System.CommandLine;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cli.CommandLine;

/// <summary>Arguments and switches that several commands share, with their checks.</summary>
internal static class Arguments
{
    public static Argument<string> Repository()
    {
        var argument = new Argument<string>("FQRN") { Description = "Repository, e.g. software.example.org" };
        argument.Validators.Add(r => CheckRepository(r.GetValueOrDefault<string>(), r.AddError));
        return argument;
    }

    public static Option<string?> RepositoryOption(bool required)
    {
        var option = new Option<string?>("--repo") { Description = "Repository, e.g. software.example.org", HelpName = "FQRN", Required = required };
        option.Validators.Add(r => CheckRepository(r.GetValueOrDefault<string?>(), r.AddError));
        return option;
    }

    public static Option<string?> Transaction(string description)
    {
        var option = new Option<string?>("--transaction") { Description = description, HelpName = "ID" };
        option.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string?>() is { } id && !IsTransaction(id))
                r.AddError($"--transaction: \"{id}\" is not a UUID of version 7, such as {Guid.CreateVersion7():D}.");
        });
        return option;
    }

    /// <summary>A UUID of version 7 in its usual form: it carries the time the transaction was made.</summary>
    public static bool IsTransaction(string text) => Guid.TryParseExact(text, "D", out Guid id) && id.Version == 7;

    /// <summary>True for <c>replicas=N</c>, <c>all</c> and <c>site:NAME</c>.</summary>
    public static bool IsReplicaCondition(string text) =>
        text == "all"
        || (text.StartsWith("site:", StringComparison.Ordinal) && IsReplicaName(text["site:".Length..]))
        || (text.StartsWith("replicas=", StringComparison.Ordinal)
            && int.TryParse(text["replicas=".Length..], System.Globalization.NumberStyles.None, null, out int count) && count > 0);

    /// <summary>True for what may name a replica or a site.</summary>
    public static bool IsReplicaName(string text) =>
        text.Length is > 0 and <= 64 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');

    private static void CheckRepository(string? name, Action<string> complain)
    {
        if (name is not null && !RepositoryName.IsValid(name))
            complain($"\"{name}\" is not a repository name: 1 to 60 letters, digits and - _ . such as software.example.org.");
    }
}
