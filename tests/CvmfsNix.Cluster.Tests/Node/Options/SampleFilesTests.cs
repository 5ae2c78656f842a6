using System.Collections;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.Tests.Node.Access;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using CvmfsNix.Cluster.Tests.Node.Tls;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Options;

/// <summary>The sample settings: every one is understood, and together they show every setting.</summary>
public sealed class SampleFilesTests
{
    public static TheoryData<string> Samples => [.. Directory.EnumerateFiles(Folder, "*.json").Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)];

    private static string Folder => Path.GetFullPath(TestData.Path(Path.Combine("..", "..", "cluster-config")));

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_sample_is_understood(string name)
    {
        using var folder = new TestFolder();
        string tokens = folder.Write("tokens", "0123456789abcdef\n");
        using var key = RSA.Create(2048);
        string publicKey = folder.Write("key.pub", key.ExportSubjectPublicKeyInfoPem());
        string text = File.ReadAllText(Path.Combine(Folder, name));
        List<string> arguments = ["--config", Path.Combine(Folder, name)];
        // Files that a sample names are not on this machine.
        if (text.Contains("\"token-file\":", StringComparison.Ordinal))
            arguments.AddRange(["--token-file", tokens]);
        if (text.Contains("\"pubkey\":", StringComparison.Ordinal))
            arguments.AddRange(["--pubkey", publicKey]);
        if (text.Contains("\"oidc-issuer\":", StringComparison.Ordinal))
        {
            using var issuer = new TestIssuer();
            arguments.AddRange(["--oidc-jwks", folder.Write("jwks", issuer.Keys), "--oidc-rules", folder.Write("rules", "sub=a -> read\n")]);
        }

        if (text.Contains("\"tls-cert\":", StringComparison.Ordinal))
        {
            using var authority = new TestAuthority(folder.Path, "sample");
            string certificate = authority.Issue("node.pem");
            arguments.AddRange(["--tls-cert", certificate, "--tls-key", certificate, "--tls-ca", authority.File, "--tls-client-ca", authority.File]);
        }

        NodeOptions? options = NodeOptionsBinder.Bind(arguments, new Hashtable(), out IReadOnlyList<string> mistakes);

        Assert.Empty(mistakes);
        Assert.NotNull(options);
    }

    [Fact]
    public void The_samples_show_every_setting()
    {
        string all = string.Concat(Directory.EnumerateFiles(Folder, "*.json").Select(File.ReadAllText));
        // Where the file is cannot stand in the file, and what may lose acknowledged publishes is no example.
        NodeSwitch[] left = [NodeSwitches.Config, NodeSwitches.AllowUnsafeJournal];
        Assert.Empty(NodeSwitches.All.Except(left).Where(s => !all.Contains($"\"{s.Name}\"", StringComparison.Ordinal)).Select(s => s.Name));
    }

    [Fact]
    public void Everything_unknown_in_a_file_is_told_at_once_with_the_nearest_known_name()
    {
        using var folder = new TestFolder();
        string file = folder.Write("node.json", """{ "jurnal": "sqlite", "managment": "127.0.0.1:1", "token_file": "x", "frobnicate": 1, "copies": 3 }""");

        Assert.Null(NodeOptionsBinder.Bind(["--config", file], new Hashtable(), out IReadOnlyList<string> mistakes));

        Assert.Contains(mistakes, m => m.Contains("\"jurnal\"") && m.Contains("did you mean \"journal\"?"));
        Assert.Contains(mistakes, m => m.Contains("\"managment\"") && m.Contains("did you mean \"management\"?"));
        Assert.Contains(mistakes, m => m.Contains("\"token_file\""));
        Assert.Contains(mistakes, m => m.Contains("\"frobnicate\"") && m.Contains("--help"));
        Assert.Contains(mistakes, m => m.Contains("3 copies"));
    }
}
