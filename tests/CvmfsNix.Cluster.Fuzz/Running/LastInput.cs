using System.IO.MemoryMappedFiles;

namespace CvmfsNix.Cluster.Fuzz.Running;

/// <summary>
/// The input being tried, in a mapped file: it outlives a process that ends by a stack overflow or in native code, where nothing can be
/// caught. The file goes when the run ends by itself.
/// </summary>
public sealed class LastInput : IDisposable
{
    private readonly string _file;
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly int _room;

    /// <summary>Makes the file.</summary>
    /// <param name="file">Its path; overwritten.</param>
    /// <param name="lengthMax">Longest input; of a longer one only the start is kept.</param>
    public LastInput(string file, int lengthMax)
    {
        _file = file;
        _room = lengthMax;
        _map = MemoryMappedFile.CreateFromFile(file, FileMode.Create, null, sizeof(int) + lengthMax);
        _view = _map.CreateViewAccessor();
    }

    /// <summary>Notes the input that is tried next.</summary>
    public void Set(byte[] input)
    {
        ArgumentNullException.ThrowIfNull(input);
        int length = Math.Min(input.Length, _room);
        _view.Write(0, length);
        _view.WriteArray(sizeof(int), input, 0, length);
    }

    /// <summary>The input left by a process that died, or null.</summary>
    public static byte[]? Left(string file)
    {
        if (!File.Exists(file))
            return null;
        byte[] bytes = File.ReadAllBytes(file);
        int length = bytes.Length < sizeof(int) ? 0 : BitConverter.ToInt32(bytes);
        return length <= 0 || length > bytes.Length - sizeof(int) ? null : bytes[sizeof(int)..(sizeof(int) + length)];
    }

    public void Dispose()
    {
        _view.Dispose();
        _map.Dispose();
        File.Delete(_file);
    }
}
