using CvmfsNix.Cluster.Fuzz.Mutation;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>A reader of SQLite files. Files are changed as bytes, as pages and as rows; SQLite's own memory is bounded too.</summary>
public abstract class SqliteTarget : FuzzTarget
{
    private const long NativeBytesMax = 48 << 20;

    private static readonly string Scratch = Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"cvmfsnix-fuzz-{Environment.ProcessId}-");

    /// <summary>Whether SQLite's own memory is judged too. It is counted for the whole process: only where nothing else uses SQLite.</summary>
    public static bool IsAlone { get; set; }

    static SqliteTarget() => SQLitePCL.Batteries_V2.Init();

    public override int LengthMax => 128 * 1024;

    /// <summary>Reads an inflated file.</summary>
    protected abstract string Read(string file, Random random);

    public override byte[] Mutate(byte[] input, Mutator mutator)
    {
        ArgumentNullException.ThrowIfNull(mutator);
        return SqliteMutator.Mutate(input, mutator, Scratch + "mutated", LengthMax);
    }

    public override string Run(byte[] input, Random random)
    {
        string file = Scratch + "input";
        File.WriteAllBytes(file, input);
        try
        {
            long before = SQLitePCL.raw.sqlite3_memory_used();
            _ = SQLitePCL.raw.sqlite3_memory_highwater(1);
            string outcome = Read(file, random);
            long used = SQLitePCL.raw.sqlite3_memory_highwater(0) - before;
            Oracle.Require(!IsAlone || used <= NativeBytesMax, $"SQLite took {used} bytes for an input of {input.Length}");
            Oracle.Require(File.ReadAllBytes(file).AsSpan().SequenceEqual(input), "reading changed the file");
            return outcome;
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Writes a second file and tells its path.</summary>
    protected static string Second(byte[] bytes)
    {
        string file = Scratch + "second";
        File.WriteAllBytes(file, bytes);
        return file;
    }
}
