using System.Text.RegularExpressions;
using System.Xml.Linq;
using CvmfsNix.Cluster.TestKit;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Tidy;

/// <summary>The source tree itself: arrows between projects, texts that name a machine, notes of golden files.</summary>
public sealed class TidyTests
{
    private static readonly string Top = Path.GetFullPath(TestData.Path(Path.Combine("..", "..")));

    // Formats know nobody; the model knows no store and no actors; the command line knows neither actors nor model, but what reads a journal without them.
    private static readonly Dictionary<string, string[]> Arrows = new()
    {
        ["Cvmfs"] = [],
        ["Nix"] = [],
        ["Contracts"] = [],
        ["Model"] = ["Cvmfs", "Nix"],
        ["Verify"] = ["Cvmfs", "Nix"],
        ["Store"] = ["Cvmfs", "Nix", "Verify"],
        ["Replication"] = ["Model", "Store", "Cvmfs", "Nix"],
        ["Actors"] = ["Model", "Replication", "Store", "Cvmfs", "Nix"],
        ["Node"] = ["Actors", "Contracts", "Model", "Replication", "Store", "Cvmfs", "Nix"],
        ["Recovery"] = ["Actors", "Model", "Store", "Cvmfs", "Nix"],
        ["Cli"] = ["Contracts", "Recovery", "Cvmfs", "Nix", "Store", "Verify"],
    };

    [Fact]
    public void Arrows_between_projects_only_point_inward()
    {
        string[] projects = Directory.GetFiles(Path.Combine(Top, "src"), "*.csproj", SearchOption.AllDirectories);
        Assert.Equal(Arrows.Keys.Order(), projects.Select(ShortName).Order());
        foreach (string project in projects)
        {
            IEnumerable<string> references = XDocument.Load(project).Descendants("ProjectReference")
                .Select(r => ShortName(r.Attribute("Include")!.Value.Replace('\\', '/')));
            Assert.All(references, r => Assert.True(Arrows[ShortName(project)].Contains(r), $"{ShortName(project)} must not refer to {r}"));
        }
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        string solution = File.ReadAllText(Path.Combine(Top, "CvmfsNix.Cluster.sln"));
        foreach (string folder in (string[])["src", "tests"])
        {
            foreach (string project in Directory.GetFiles(Path.Combine(Top, folder), "*.csproj", SearchOption.AllDirectories))
                Assert.Contains(Path.GetFileName(project), solution, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void No_file_names_a_folder_of_somebodys_machine()
    {
        // Written in pieces, so that this file does not find itself.
        var machine = new Regex("(?<![\\w.])/(" + "work" + "|" + "home/" + "[a-z]+|" + "Users/" + "[A-Za-z]+" + ")/", RegexOptions.CultureInvariant);
        string[] found =
        [
            .. Texts().Where(file => machine.IsMatch(File.ReadAllText(file))).Select(file => Path.GetRelativePath(Top, file)),
        ];

        Assert.Empty(found);
    }

    [Fact]
    public void Every_folder_of_golden_files_says_how_it_was_made()
    {
        string[] folders = Directory.GetDirectories(TestData.Path("."));
        Assert.NotEmpty(folders);
        Assert.All(folders, folder => Assert.True(File.Exists(Path.Combine(folder, "README.md")), $"{folder} has no README.md"));
    }

    [Fact]
    public void Every_package_has_a_line_in_the_list_of_dependencies()
    {
        string list = File.ReadAllText(Path.Combine(Top, "docs", "dependencies.md"));
        IEnumerable<string> packages = XDocument.Load(Path.Combine(Top, "Directory.Packages.props")).Descendants("PackageVersion")
            .Select(p => p.Attribute("Include")!.Value);
        Assert.All(packages, p => Assert.Contains(p, list, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_rule_of_the_checker_is_on_the_format_page()
    {
        string page = File.ReadAllText(Path.Combine(Top, "docs", "format.md"));
        Assert.All(CvmfsNix.Cluster.Verify.Rules.VerifyRules.All, rule => Assert.Contains($"| `{rule}` |", page, StringComparison.Ordinal));
    }

    private static IEnumerable<string> Texts() =>
        new[] { "src", "tests", "docs", "deploy", ".ci" }
            .Select(folder => Path.Combine(Top, folder))
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Top))
            .Where(file => Path.GetExtension(file) is ".cs" or ".csproj" or ".props" or ".proto" or ".md" or ".sh" or ".nix" or ".yml" or ".json" or ".c"
                && !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal)
                && !file.Contains("/golden-", StringComparison.Ordinal));

    private static string ShortName(string project) => Path.GetFileNameWithoutExtension(project)["CvmfsNix.Cluster.".Length..];
}
