using System.Security.Cryptography;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>The token an operator on this machine uses: made once, readable by the node's user only.</summary>
public static class AdminToken
{
    /// <summary>Its name in the key folder.</summary>
    public const string FileName = "admin.token";

    private const int Size = 32;

    /// <summary>Reads the token, or makes it. Nodes that share the folder may do so at the same time: one of them makes it.</summary>
    public static string LoadOrCreate(string keyFolder)
    {
        string path = Path.Combine(keyFolder, FileName);
        if (!File.Exists(path))
            Create(keyFolder, path);
        return File.ReadAllText(path).Trim();
    }

    private static void Create(string keyFolder, string path)
    {
        Directory.CreateDirectory(keyFolder);
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
