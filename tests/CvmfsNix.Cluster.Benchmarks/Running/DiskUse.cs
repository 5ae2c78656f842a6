using CvmfsNix.Cluster.Benchmarks.Load;

namespace CvmfsNix.Cluster.Benchmarks.Running;

/// <summary>What one repository takes on the disk of an embedded node, by kind, in whole blocks of the file system.</summary>
/// <param name="Objects">Objects that are served or wait for their end.</param>
/// <param name="Records">Record files of revisions, and bundles.</param>
/// <param name="Archive">Applied events.</param>
/// <param name="Index">The index, and all else beside the objects.</param>
/// <param name="Journal">The journal, with its write-ahead log.</param>
internal sealed record DiskUse(DiskUse.Kind Objects, DiskUse.Kind Records, DiskUse.Kind Archive, DiskUse.Kind Index, DiskUse.Kind Journal)
{
    private const long Block = 4096;

    /// <summary>All but the journal, which is whole for ever: a replay needs it.</summary>
    public long WithoutJournal => Objects.Bytes + Records.Bytes + Archive.Bytes + Index.Bytes;

    /// <summary>Looks at everything.</summary>
    /// <param name="data">Data folder of the node.</param>
    /// <param name="fqrn">The repository.</param>
    public static DiskUse Of(string data, string fqrn)
    {
        string meta = Path.Combine(data, "meta", fqrn);
        Kind records = Below(Path.Combine(meta, "blobs"), "*");
        Kind archive = Below(Path.Combine(meta, "applied"), "*");
        Kind all = Below(meta, "*");
        return new DiskUse(
            Below(Path.Combine(data, "cvmfs", fqrn), "*"), records, archive, new Kind(all.Files - records.Files - archive.Files, all.Bytes - records.Bytes - archive.Bytes), Below(data, "journal.db*", deep: false));
    }

    /// <inheritdoc/>
    public override string ToString() => LoadReport.Text(
        $"objects {Objects}, records {Records}, archive {Archive}, index {Index}; together {Mebibytes(WithoutJournal)}; journal {Journal}");

    /// <summary>As people read it.</summary>
    public static string Mebibytes(long bytes) => LoadReport.Text($"{bytes / 1048576.0:0.0} MiB");

    private static Kind Below(string folder, string pattern, bool deep = true)
    {
        (long files, long bytes) = (0, 0);
        foreach (FileInfo file in new DirectoryInfo(folder).EnumerateFiles(pattern, deep ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly))
        {
            try
            {
                bytes += (file.Length + Block - 1) / Block * Block;
                files++;
            }
            catch (FileNotFoundException)
            {
                // It went meanwhile.
            }
        }

        return new Kind(files, bytes);
    }

    /// <summary>Files of one kind.</summary>
    internal sealed record Kind(long Files, long Bytes)
    {
        public override string ToString() => LoadReport.Text($"{Mebibytes(Bytes)} in {Files} files");
    }
}
