using CsCheck;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Tests.Nix.PathInfos;

internal static class PathInfoGen
{
    public static readonly Gen<StorePathName> Names =
        from hash in Gen.Byte.Array[20]
        from name in Gen.String[Gen.Char["abcXYZ019+_?="], 1, 20]
        select StorePathName.Create(hash, name);

    /// <summary>A name whose order is that of <paramref name="number"/>.</summary>
    public static StorePathName Numbered(int number) => StorePathName.Parse($"{number:d32}-p");
}
