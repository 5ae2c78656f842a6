using System.Security.Cryptography;
using CvmfsNix.Cluster.Node.Data;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Data;

public sealed class SmallObjectsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cvmfsnix-small-");
    private readonly SmallObjects _objects = new();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_is_asked_for_again_is_kept_and_looked_at_each_time()
    {
        byte[] bytes = RandomNumberGenerator.GetBytes(5_000);
        string file = Write("object", bytes);
        Assert.Null(_objects.Find(file));
        Assert.Null(Keep(file));
        Assert.Null(_objects.Find(file));
        Assert.Equal(bytes, Keep(file)!.Value.ToArray());
        Assert.Equal(bytes, _objects.Find(file)!.Value.ToArray());

        byte[] others = RandomNumberGenerator.GetBytes(5_000);
        File.WriteAllBytes(file, others);
        Assert.Null(_objects.Find(file));
        Age(file);
        Assert.Null(_objects.Find(file));
        Assert.Equal(others, Keep(file)!.Value.ToArray());
        Assert.Equal(others, _objects.Find(file)!.Value.ToArray());

        File.Delete(file);
        Assert.Null(_objects.Find(file));
    }

    [Fact]
    public void What_is_large_or_empty_or_was_written_a_moment_ago_is_not()
    {
        string large = Write("large", new byte[SmallObjects.BytesMax + 1]), most = Write("most", new byte[SmallObjects.BytesMax]), empty = Write("empty", []);
        string fresh = Path.Combine(_folder.FullName, "fresh");
        File.WriteAllBytes(fresh, new byte[10]);
        foreach (string file in (string[])[large, most, empty, fresh])
        {
            Keep(file);
            Keep(file);
        }

        Assert.Equal([null, SmallObjects.BytesMax, null, null], ((string[])[large, most, empty, fresh]).Select(f => _objects.Find(f)?.Length));
    }

    private string Write(string name, byte[] bytes)
    {
        string file = Path.Combine(_folder.FullName, name);
        File.WriteAllBytes(file, bytes);
        Age(file);
        return file;
    }

    private static void Age(string file) => File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddHours(-1).AddTicks(RandomNumberGenerator.GetInt32(1_000_000)));

    private ReadOnlyMemory<byte>? Keep(string file)
    {
        using SafeFileHandle handle = File.OpenHandle(file);
        return _objects.TryKeep(file, handle, RandomAccess.GetLength(handle));
    }
}
