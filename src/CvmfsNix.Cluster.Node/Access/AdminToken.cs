using System.Security.Cryptography;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>The token an operator on this machine uses: made once, readable by the node's user only.</summary>
public static class AdminToken
{
    /// <summary>Its name in the key folder.</summary>
    public const string FileName = "admin.token";

    private const int Size = 32;

    /// <summary>
    /// Reads the token, or makes it; on return it survives a power loss, because people copy it as soon as the node is ready. Nodes that
    /// share the folder may do so at the same time: one of them makes it.
    /// </summary>
    /// <exception cref="InvalidDataException">It cannot be read or made; names the file.</exception>
    public static string LoadOrCreate(string keyFolder)
    {
        string path = Path.Combine(keyFolder, FileName);
        try
        {
            DurableDirectory.Ensure(keyFolder);
            if (!Path.Exists(path))
                Create(keyFolder, path);
            // Also when it was there: whoever made it may have been killed before this.
            DirectorySync.Sync(keyFolder);
            string token = File.ReadAllText(path).Trim();
            return token.Length > 0 ? token : throw new InvalidDataException($"the token file {path} is empty; remove it, and a new token is made.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"the token file {path} cannot be read or made: {e.Message} Give the key folder to the user \"{Environment.UserName}\", or name another with --keys.", e);
        }
    }

    private static void Create(string keyFolder, string path)
    {
        string temporary = Path.Combine(keyFolder, $".{FileName}.{Guid.NewGuid():N}");
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
        };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var stream = new FileStream(temporary, options))
        {
            stream.Write(System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(Size)) + "\n"));
            stream.Flush(flushToDisk: true);
        }

        try
        {
            File.Move(temporary, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(temporary);
        }
    }
}
