using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Commit;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.NixDatabases;

namespace CvmfsNix.Cluster.Store.Catalogs;

/// <summary>
/// Profiles as Nix keeps them: <c>NAME</c> leads to <c>NAME-N-link</c>, which leads to a store path. Older generations stay.
/// </summary>
internal static class ProfileLinks
{
    private const int MaxNameLength = 200;

    /// <summary>What is wrong with a profile's name, or null.</summary>
    public static string? NameProblem(string name)
    {
        if (name.Length is 0 or > MaxNameLength)
            return $"a profile name has 1 to {MaxNameLength} characters";
        if (name[0] == '.' || name.Any(c => !char.IsAsciiLetterOrDigit(c) && !"+-._=".Contains(c, StringComparison.Ordinal)))
            return "a profile name has letters, digits and + - . _ = and does not start with a dot";
        if (name == NixDatabaseTree.PerUser)
            return "that name is a folder of Nix's";
        return TryParseGeneration(name, out _, out _) ? "names that end in -N-link are those of generations" : null;
    }

    /// <summary>Sets a profile; null when it leads to the target already.</summary>
    public static ProfileGeneration? Set(CatalogWriter root, RepositoryFormat format, string profile, StorePathName target)
    {
        string wanted = format.StoreDirectory.FullPath(target);
        RepositoryPath link = format.ProfilesRoot.Combine(profile);
        int current = 0;
        if (root.Find(link) is { } existing)
        {
            string generation = Encoding.UTF8.GetString(existing.SymlinkTarget.Span);
            if (TryParseGeneration(generation, out string? of, out current) && of == profile
                && root.Find(format.ProfilesRoot.Combine(generation)) is { } now
                && now.SymlinkTarget.Span.SequenceEqual(Encoding.UTF8.GetBytes(wanted)))
            {
                return null;
            }
        }

        int next = current;
        RepositoryPath generationLink;
        string name;
        do
        {
            name = LinkName(profile, ++next);
            generationLink = format.ProfilesRoot.Combine(name);
        }
        while (root.Contains(generationLink));

        EnsureDirectory(root, format.ProfilesRoot);
        root.Insert(CatalogRows.Symlink(generationLink, Encoding.UTF8.GetBytes(wanted)));
        root.Replace(CatalogRows.Symlink(link, Encoding.UTF8.GetBytes(name)));
        return new ProfileGeneration(profile, next, target);
    }

    /// <summary>Every link of a generation: of which profile, its number, and the path it leads to; links that lead to no store path are left out.</summary>
    public static IReadOnlyList<ProfileGeneration> Generations(CatalogWriter root, RepositoryFormat format)
    {
        var generations = new List<ProfileGeneration>();
        if (!root.Contains(format.ProfilesRoot))
            return generations;
        string start = format.StoreDirectory.Value + "/";
        foreach (CatalogEntry link in root.List(format.ProfilesRoot))
        {
            if (link.Type != EntryType.Symlink || !TryParseGeneration(Encoding.UTF8.GetString(link.Path.Name.Span), out string? profile, out int generation))
                continue;
            string target = Encoding.UTF8.GetString(link.SymlinkTarget.Span);
            if (target.StartsWith(start, StringComparison.Ordinal) && StorePathName.TryParse(target.AsSpan(start.Length), out StorePathName path))
                generations.Add(new ProfileGeneration(profile!, generation, path));
        }

        return generations;
    }

    /// <summary>The generation a profile is at; 0 when it is at none.</summary>
    public static int Current(CatalogWriter root, RepositoryFormat format, string profile) =>
        root.Find(format.ProfilesRoot.Combine(profile)) is { Type: EntryType.Symlink } link
        && TryParseGeneration(Encoding.UTF8.GetString(link.SymlinkTarget.Span), out string? of, out int current) && of == profile ? current : 0;

    /// <summary>Removes a generation. A profile that was at it goes back to the newest that is left; where none is left, the profile goes too.</summary>
    public static void Remove(CatalogWriter root, RepositoryFormat format, ProfileGeneration generation)
    {
        root.Remove(format.ProfilesRoot.Combine(LinkName(generation.Profile, generation.Generation)));
        if (Current(root, format, generation.Profile) != generation.Generation)
            return;
        RepositoryPath profile = format.ProfilesRoot.Combine(generation.Profile);
        int left = Generations(root, format).Where(g => g.Profile == generation.Profile).Select(g => g.Generation).DefaultIfEmpty().Max();
        if (left == 0)
            root.Remove(profile);
        else
            root.Replace(CatalogRows.Symlink(profile, Encoding.UTF8.GetBytes(LinkName(generation.Profile, left))));
    }

    private static string LinkName(string profile, int generation) => string.Create(CultureInfo.InvariantCulture, $"{profile}-{generation}-link");

    private static bool TryParseGeneration(string link, out string? profile, out int generation)
    {
        const string end = "-link";
        profile = null;
        generation = 0;
        if (!link.EndsWith(end, StringComparison.Ordinal))
            return false;
        string rest = link[..^end.Length];
        int dash = rest.LastIndexOf('-');
        if (dash <= 0 || !int.TryParse(rest.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out generation))
            return false;
        profile = rest[..dash];
        return true;
    }

    /// <summary>Adds a directory, and those above it, where they are missing.</summary>
    public static void EnsureDirectory(CatalogWriter root, RepositoryPath directory)
    {
        if (root.Contains(directory))
            return;
        EnsureDirectory(root, directory.Parent);
        CatalogEntry parent = root.Find(directory.Parent)!;
        root.Replace(parent with { LinkCount = parent.LinkCount + 1 });
        root.Insert(CatalogRows.Directory(directory, 2));
    }
}
