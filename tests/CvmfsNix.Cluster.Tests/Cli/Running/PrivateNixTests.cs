using CvmfsNix.Cluster.Cli.Running;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Running;

public sealed class PrivateNixTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-tree-").FullName;

    [Fact]
    public void A_user_namespace_goes_back_to_the_user_and_a_mount_namespace_of_root_stays()
    {
        Directory.CreateDirectory(_folder + "/nix/store");
        NixTree tree = NixTree.Find(_folder, null);

        PrivateNix user = PrivateNix.Of(PrivateNixWay.UserNamespace, "/usr/bin/unshare", tree, ("1000", "100"), null);
        PrivateNix root = PrivateNix.Of(PrivateNixWay.MountNamespace, "/usr/bin/unshare", tree, null, "");
        PrivateNix proot = PrivateNix.Of(PrivateNixWay.Proot, "/usr/bin/proot", tree, null, "/state");

        Assert.Equal(["cvmfsnix", _folder + "/nix", "", "1000", "100"], user.Arguments.TakeLast(5));
        Assert.Contains("--user", user.Arguments);
        Assert.Equal(["cvmfsnix", _folder + "/nix", "store", "", ""], root.Arguments.TakeLast(5));
        Assert.DoesNotContain("--user", root.Arguments);
        Assert.Equal(["-b", _folder + "/nix/store:/nix/store", "-b", "/state:/nix/var"], proot.Arguments);
    }

    [Theory]
    [InlineData("nix (Nix) 2.8.0", "2.8")]
    [InlineData("nix-store (Nix) 2.18.1\n", "2.18")]
    [InlineData("nix (Nix) 2.35pre20260101_abc", "2.35")]
    [InlineData("nix (Lix, like Nix) 2.91.0", "2.91")]
    [InlineData("nonsense", null)]
    [InlineData("", null)]
    public void Versions_of_nix_are_read(string text, string? version) => Assert.Equal(version, StoreOffer.ParseVersion(text)?.ToString());

    [Theory]
    [InlineData(null, true)]
    [InlineData("2.8", true)]
    [InlineData("2.16", true)]
    [InlineData("2.17", false)]
    public void Nix_that_cannot_open_a_store_read_only_gets_state_of_its_own(string? version, bool isPrivate)
    {
        StoreOffer offer = StoreOffer.For(version is null ? null : Version.Parse(version), "cores = 2\n");
        Assert.Equal(isPrivate, offer.PrivateState);
        Assert.Equal(isPrivate ? "local" : "local?read-only=true", offer.Environment["NIX_REMOTE"]);
        Assert.Equal(isPrivate ? null : "cores = 2\nextra-experimental-features = read-only-local-store", offer.Environment.GetValueOrDefault("NIX_CONFIG"));
    }

    [Theory]
    [InlineData("/proc/sys/kernel/unprivileged_userns_clone", "0\n", "kernel.unprivileged_userns_clone")]
    [InlineData("/proc/sys/user/max_user_namespaces", "0\n", "user.max_user_namespaces")]
    [InlineData("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", "AppArmor")]
    [InlineData("/proc/self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n", "seccomp")]
    public void The_setting_that_forbids_namespaces_is_named(string file, string content, string named)
    {
        string reason = Assert.Single(WhyNot.UserNamespaces(asked => asked == file ? content : null));
        Assert.Contains(named, reason, StringComparison.Ordinal);
        Assert.Empty(WhyNot.UserNamespaces(static _ => null));
        Assert.Empty(WhyNot.UserNamespaces(static asked => asked.Contains("apparmor", StringComparison.Ordinal) ? "0\n" : "1\n"));
    }

    [Fact]
    public async Task A_folder_without_a_store_a_repository_that_is_not_mounted_and_a_tree_without_database_are_said()
    {
        Assert.Equal((1, "NoNixTree"), await ErrorAsync("run", "--repo-dir", _folder, "--", "true"));
        Assert.Equal((1, "NotMounted"), await ErrorAsync("enter", "--repo", "not-mounted.example.org"));
        Assert.Equal((2, "CommandLine"), await ErrorAsync("run", "--", "true"));
        Assert.Equal((2, "CommandLine"), await ErrorAsync("run", "--repo-dir", _folder));
        Directory.CreateDirectory(_folder + "/nix/store");
        Assert.Equal((1, "NoNixDatabase"), await ErrorAsync("run", "--repo-dir", _folder, "--store", "--", "true"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<(int Exit, string? Code)> ErrorAsync(params string[] arguments)
    {
        CliRun run = await CliRun.RunAsync([.. arguments[..1], "--json", .. arguments[1..]]);
        return (run.Exit, run.Json.GetProperty("error").GetProperty("code").GetString());
    }
}
