using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using CvmfsNix.Cluster.Store.Files;
using CvmfsNix.Cluster.Store.Layout;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>
/// The data folder, held by this process. The operating system's lock ends with the process however it ends, so a kill leaves nothing to clean.
/// </summary>
public sealed partial class DataFolder : IDisposable
{
    private const string LockName = "lock";
    private const string NodeFileName = "node.json";
    private const int OpenReadWrite = 2;
    private const int OpenCreate = 64;
    private const int OpenCloseOnExec = 0x80000;
    private const int LockExclusive = 2;
    private const int LockNoWait = 4;
    private const int WouldBlock = 11;
    private readonly SafeFileHandle _lock;

    private DataFolder(string path, SafeFileHandle @lock) => (Path, _lock) = (path, @lock);

    /// <summary>Absolute path.</summary>
    public string Path { get; }

    /// <summary>Folder of the repositories' folders.</summary>
    public string Repositories => System.IO.Path.Combine(Path, "cvmfs");

    /// <summary>Where the READY document is kept while the node is ready.</summary>
    public static string NodeFile(string path) => System.IO.Path.Combine(path, NodeFileName);

    /// <summary>Makes the folder when it is not there, takes its lock, and drops what a killed predecessor was staging.</summary>
    /// <exception cref="DataFolderException">Another process has it, or it cannot be used.</exception>
    public static DataFolder Open(string path)
    {
        try
        {
            // Its own name too has to survive a power loss, or everything acknowledged goes with it.
            DurableDirectory.Ensure(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFolderException($"the data folder {path} cannot be made: {e.Message}", e);
        }

        var folder = new DataFolder(path, Lock(path));
        try
        {
            if (UnfinishedRestore.IsIn(path))
                throw new DataFolderException($"the data folder {path} holds a backup that was not restored to the end: run the same cvmfsnix restore again, or empty the folder.");
            File.Delete(NodeFile(path));
            folder.EmptyStaging();
            return folder;
        }
        catch (DataFolderException)
        {
            folder.Dispose();
            throw;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            folder.Dispose();
            throw new DataFolderException($"the data folder {path} cannot be used: {e.Message}", e);
        }
    }

    /// <summary>Writes the READY document by rename.</summary>
    public void WriteNodeFile(string json)
    {
        string temporary = NodeFile(Path) + ".new";
        File.WriteAllText(temporary, json + "\n");
        File.Move(temporary, NodeFile(Path), overwrite: true);
    }

    /// <summary>Removes the READY document.</summary>
    public void RemoveNodeFile() => File.Delete(NodeFile(Path));

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();

    private void EmptyStaging()
    {
        foreach (string meta in Folders(System.IO.Path.Combine(Path, "meta")))
            Empty(System.IO.Path.Combine(meta, "staging"));
        foreach (string repository in Folders(Repositories))
            Empty(System.IO.Path.Combine(repository, "data", "txn"));
    }

    private static IEnumerable<string> Folders(string path) => Directory.Exists(path) ? Directory.EnumerateDirectories(path) : [];

    private static void Empty(string path)
    {
        if (!Directory.Exists(path))
            return;
        foreach (string file in Directory.EnumerateFiles(path))
            File.Delete(file);
        foreach (string folder in Directory.EnumerateDirectories(path))
            Directory.Delete(folder, recursive: true);
    }

    // The framework's own file locks can be switched off by the environment and hide the file's content from others, who want to read the pid.
    private static SafeFileHandle Lock(string path)
    {
        string file = System.IO.Path.Combine(path, LockName);
        int descriptor = OpenFile(Encoding.UTF8.GetBytes(file + "\0"), OpenReadWrite | OpenCreate | OpenCloseOnExec, Convert.ToUInt32("644", 8));
        if (descriptor < 0)
            throw new DataFolderException($"the lock {file} cannot be opened: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (LockFile(descriptor, LockExclusive | LockNoWait) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            string holder = ReadPid(handle);
            handle.Dispose();
            throw new DataFolderException(error == WouldBlock
                ? $"the data folder {path} is in use by the process {holder}; stop it, or give another --data."
                : $"the data folder {path} cannot be locked: {Marshal.GetPInvokeErrorMessage(error)}");
        }

        RandomAccess.SetLength(handle, 0);
        RandomAccess.Write(handle, Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n"), 0);
        return handle;
    }

    private static string ReadPid(SafeFileHandle handle)
    {
        Span<byte> buffer = stackalloc byte[32];
        int read = RandomAccess.Read(handle, buffer, 0);
        string text = Encoding.ASCII.GetString(buffer[..read]).Trim();
        return text.Length > 0 ? text : "(just starting)";
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    private static partial int OpenFile(ReadOnlySpan<byte> path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int LockFile(int descriptor, int operation);
}

/// <summary>The data folder cannot be used by this process.</summary>
public sealed class DataFolderException(string message, Exception? inner = null) : Exception(message, inner);
