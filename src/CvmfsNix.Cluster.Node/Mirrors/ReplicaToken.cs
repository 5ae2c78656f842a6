namespace CvmfsNix.Cluster.Node.Mirrors;

/// <summary>The token a mirror shows to the core: the first word of the first line of its token file that is not blank or a comment.</summary>
public static class ReplicaToken
{
    private const int FileSizeMax = 1 << 20;

    /// <summary>Reads it; null when there is no file.</summary>
    /// <exception cref="InvalidDataException">The file holds no token.</exception>
    public static string? Read(string? file)
    {
        if (file is null)
            return null;
        if (new FileInfo(file).Length > FileSizeMax)
            throw new InvalidDataException($"The token file {file} has more than {FileSizeMax} bytes.");
        string? line = File.ReadLines(file).Select(l => l.Trim()).FirstOrDefault(l => l.Length > 0 && !l.StartsWith('#'));
        string? token = line?.Split([' ', '\t'], 2)[0];
        return token is { Length: >= 8 } && token.All(c => c is > ' ' and <= '~')
            ? token
            : throw new InvalidDataException($"The token file {file} holds no token: at least 8 printable ASCII characters on a line.");
    }
}
