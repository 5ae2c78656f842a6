namespace CvmfsNix.Cluster.Tests.Nix.Archives;

/// <summary>Two archives made by stock Nix, with the hashes it printed for them.</summary>
internal static class NarVectors
{
    public const string FileHash = "sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw";
    public const string TreeHash = "sha256:09hdnlm607ms2ix6fa1a45lpyylfsjdrfi0cihsy4zivpqblsbhb";
    public const int TreeSize = 1064;

    public static readonly NarTree File = NarTree.FileOf("hello\n");

    public static readonly byte[] FileNar = Convert.FromHexString(
        "0d000000000000006e69782d617263686976652d31000000"
        + "01000000000000002800000000000000"
        + "04000000000000007479706500000000"
        + "0700000000000000726567756c617200"
        + "0800000000000000636f6e74656e7473"
        + "060000000000000068656c6c6f0a0000"
        + "01000000000000002900000000000000");

    public static readonly NarTree Tree = NarTree.FolderOf(
        ("a", NarTree.FileOf("hello\n")),
        ("empty", NarTree.FileOf("")),
        ("sub", NarTree.FolderOf(
            ("lnk", new NarTree.Link("../a"u8.ToArray())),
            ("run", NarTree.FileOf("#!/bin/sh\n", executable: true)))));
}
