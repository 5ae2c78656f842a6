using System.Runtime.InteropServices;
using CvmfsNix.Cluster.Nix.Archives;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Nix.Files;

/// <summary>
/// Looks at real trees with names as raw bytes, so that names that are not UTF-8 survive. The last component of a path is
/// never followed when it is a symlink. Linux only.
/// </summary>
public static unsafe class DiskTree
{
    private const int TypeDirectory = 0x4000;
    private const int TypeRegular = 0x8000;
    private const int TypeSymlink = 0xA000;

    // Longest path the kernel takes, with its closing NUL.
    private const int MaxPath = 4096;

    /// <summary>The entries of a directory in ascending order of the bytes of their names, without <c>.</c> and <c>..</c>.</summary>
    /// <exception cref="DiskAccessException">It is no directory, or it or an entry cannot be read.</exception>
    /// <exception cref="UnsupportedFileTypeException">It holds something else than files, directories and symlinks.</exception>
    public static IReadOnlyList<DiskEntry> List(ReadOnlySpan<byte> directoryPath)
    {
        directoryPath = DiskPath.WithoutTrailingSlashes(directoryPath);
        int descriptor = Open(directoryPath, Libc.Directory, "open the directory");
        nint stream = Libc.OpenDirectoryStream(descriptor);
        if (stream == 0)
        {
            int error = Marshal.GetLastPInvokeError();
            _ = Libc.Close(descriptor);
            throw new DiskAccessException("read the directory", directoryPath, error);
        }

        try
        {
            List<byte[]> names = ReadNames(stream, directoryPath);
            names.Sort(static (left, right) => left.AsSpan().SequenceCompareTo(right));
            DiskEntry[] entries = new DiskEntry[names.Count];
            for (int i = 0; i < entries.Length; i++)
                entries[i] = Inspect(descriptor, names[i], DiskPath.Combine(directoryPath, names[i]), names[i].Length);
            return entries;
        }
        finally
        {
            _ = Libc.CloseDirectoryStream(stream);
        }
    }

    /// <summary>The file, directory or symlink at <paramref name="path"/>.</summary>
    /// <exception cref="DiskAccessException">There is nothing, or it cannot be looked at.</exception>
    /// <exception cref="UnsupportedFileTypeException">It is none of the three.</exception>
    public static DiskEntry Stat(ReadOnlySpan<byte> path)
    {
        byte[] fullPath = DiskPath.WithoutTrailingSlashes(path).ToArray();
        int nameLength = fullPath.Length - 1 - fullPath.AsSpan().LastIndexOf((byte)'/');
        return Inspect(Libc.CurrentDirectory, fullPath, fullPath, nameLength);
    }

    /// <summary>
    /// Opens a regular file for reading once from start to end. Reading throws <see cref="FileChangedException"/> when the
    /// file's size or modification time is another one when its end is reached.
    /// </summary>
    /// <exception cref="DiskAccessException">It cannot be opened, or it is a symlink.</exception>
    /// <exception cref="UnsupportedFileTypeException">It is no regular file.</exception>
    public static Stream OpenRead(ReadOnlySpan<byte> path)
    {
        // Without "non-blocking", opening a FIFO that took a file's place would wait for a writer.
        int descriptor = Open(path, Libc.NonBlocking, "open");
        SafeFileHandle handle = new(descriptor, ownsHandle: true);
        try
        {
            Libc.StatxBuffer status = DescriptorStatus(descriptor, path);
            if (status.Type != TypeRegular)
                throw new UnsupportedFileTypeException(path, TypeName(status.Type));
            return new SteadyFileStream(handle, path.ToArray(), status);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>As <see cref="OpenRead(ReadOnlySpan{byte})"/>, and the file must still have the size the entry tells.</summary>
    /// <exception cref="FileChangedException">Its size is another one.</exception>
    public static Stream OpenRead(DiskEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        Stream stream = OpenRead(entry.FullPath.Span);
        if (stream.Length == entry.Size)
            return stream;
        long found = stream.Length;
        stream.Dispose();
        throw new FileChangedException(entry.FullPath.Span, $"its size was {entry.Size} and is now {found}");
    }

    internal static Libc.StatxBuffer DescriptorStatus(int descriptor, ReadOnlySpan<byte> path)
    {
        Libc.StatxBuffer status;
        byte empty = 0;
        if (Libc.Statx(descriptor, &empty, Libc.EmptyPath, Libc.WantedFields, &status) != 0)
            throw new DiskAccessException("look at", path, Marshal.GetLastPInvokeError());
        return status;
    }

    private static int Open(ReadOnlySpan<byte> path, int flags, string operation)
    {
        Span<byte> terminated = stackalloc byte[MaxPath];
        Terminate(path, path, terminated);
        fixed (byte* pointer = terminated)
        {
            int descriptor = Libc.Open(pointer, Libc.ReadOnly | Libc.NoFollow | Libc.CloseOnExec | flags);
            return descriptor >= 0 ? descriptor : throw new DiskAccessException(operation, path, Marshal.GetLastPInvokeError());
        }
    }

    private static List<byte[]> ReadNames(nint stream, ReadOnlySpan<byte> directoryPath)
    {
        List<byte[]> names = [];
        for (byte* entry = Libc.ReadDirectory(stream); entry is not null; entry = Libc.ReadDirectory(stream))
        {
            ReadOnlySpan<byte> name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(entry + Libc.DirectoryEntryNameOffset);
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                names.Add(name.ToArray());
        }

        int error = Marshal.GetLastPInvokeError();
        return error == 0 ? names : throw new DiskAccessException("read the directory", directoryPath, error);
    }

    private static DiskEntry Inspect(int directory, ReadOnlySpan<byte> relativePath, byte[] fullPath, int nameLength)
    {
        Span<byte> terminated = stackalloc byte[MaxPath];
        Terminate(relativePath, fullPath, terminated);
        fixed (byte* pointer = terminated)
        {
            Libc.StatxBuffer status;
            if (Libc.Statx(directory, pointer, Libc.SymlinkNoFollow, Libc.WantedFields, &status) != 0)
                throw new DiskAccessException("look at", fullPath, Marshal.GetLastPInvokeError());

            ReadOnlyMemory<byte> name = fullPath.AsMemory(fullPath.Length - nameLength);
            return status.Type switch
            {
                TypeDirectory => new DiskEntry { Kind = NarEntryKind.Directory, Name = name, FullPath = fullPath },
                TypeRegular => new DiskEntry
                {
                    Kind = NarEntryKind.Regular,
                    Name = name,
                    FullPath = fullPath,
                    Size = checked((long)status.Size),
                    Executable = status.OwnerMayExecute,
                },
                TypeSymlink => new DiskEntry
                {
                    Kind = NarEntryKind.Symlink,
                    Name = name,
                    FullPath = fullPath,
                    SymlinkTarget = ReadLink(directory, pointer, fullPath),
                },
                _ => throw new UnsupportedFileTypeException(fullPath, TypeName(status.Type)),
            };
        }
    }

    private static byte[] ReadLink(int directory, byte* path, ReadOnlySpan<byte> fullPath)
    {
        Span<byte> target = stackalloc byte[MaxPath];
        fixed (byte* buffer = target)
        {
            nint length = Libc.ReadLink(directory, path, buffer, MaxPath);
            return length >= 0
                ? target[..(int)length].ToArray()
                : throw new DiskAccessException("read the symlink", fullPath, Marshal.GetLastPInvokeError());
        }
    }

    private static void Terminate(ReadOnlySpan<byte> path, ReadOnlySpan<byte> fullPath, Span<byte> terminated)
    {
        const int NameTooLong = 36;
        if (path.IsEmpty || path.Contains((byte)0))
            throw new ArgumentException($"A path has at least one byte and no NUL: {NarRules.Show(path)}.", nameof(path));
        if (path.Length >= terminated.Length)
            throw new DiskAccessException("reach", fullPath, NameTooLong);
        path.CopyTo(terminated);
        terminated[path.Length] = 0;
    }

    private static string TypeName(int type) => type switch
    {
        TypeDirectory => "directory",
        TypeSymlink => "symlink",
        0x1000 => "FIFO",
        0x2000 => "character device",
        0x6000 => "block device",
        0xC000 => "socket",
        _ => $"file of type 0x{type:x}",
    };
}
