using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Verify;

/// <summary>One catalog with very many rows, as a store directory is.</summary>
public sealed class LargeCatalogTests
{
    private const int Rows = 100_000;

    [Fact]
    public void A_hundred_thousand_paths_in_one_directory_are_checked_row_by_row()
    {
        using CatalogWriter writer = CatalogWriter.Create(new CatalogProperties { Revision = 1, LastModified = 1 });
        writer.Begin();
        writer.Insert(new CatalogEntry { Path = RepositoryPath.Root, Mode = 0x41ED, LinkCount = 3, Size = 4096 });
        RepositoryPath directory = RepositoryPath.Root.Combine("store");
        writer.Insert(new CatalogEntry { Path = directory, Mode = 0x41ED, LinkCount = 2, Size = 4096 });
        ObjectHash empty = ObjectHasher.Hash(HashAlgorithmId.Sha1, ObjectCompression.Empty);
        for (int i = 0; i < Rows; i++)
            writer.Insert(new CatalogEntry { Path = directory.Combine($"{Convert.ToHexStringLower(SHA1.HashData(BitConverter.GetBytes(i)))}-package"), Mode = 0x8124, Hash = empty });
        writer.Commit();

        using CatalogView view = CatalogView.FromBytes(writer.ToBytes());
        var findings = new List<Finding>();
        long needs = 0;
        CatalogSummary summary = CatalogRules.Check(view, new CatalogContext(RepositoryPath.Root, null), findings.Add, _ => needs++, TestContext.Current.CancellationToken);
        Assert.Equal([], findings);
        Assert.Equal((Rows + 2, Rows), (summary.Entries, needs));
        Assert.Equal(Rows, summary.Counted["regular"]);
    }
}
