using System.Text.RegularExpressions;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>
/// Which fsync of the program a recorded one is: folder or file, and the name that the file ended up with, hashes, ids and
/// counters taken out. So an object written as a temporary file counts as the object it became.
/// </summary>
internal static partial class SyncClass
{
    public static string Of(DiskModel.Inode inode)
    {
        string path = string.Join('/', inode.LastPath.Split('/').Select(Part));
        return inode.IsFolder ? $"folder {(path.Length == 0 ? "." : path)}" : $"file {path}";
    }

    private static string Part(string name)
    {
        if (TwoDigits().IsMatch(name))
            return "xx";
        Match hashed = ObjectDigits().Match(name);
        return hashed.Success ? "object" + hashed.Groups["kind"].Value : Variable().Replace(name, "*");
    }

    [GeneratedRegex("^[0-9a-f]{2}$")]
    private static partial Regex TwoDigits();

    [GeneratedRegex("^[0-9a-f]{38}(-[a-z0-9]+)?(?<kind>[A-Z]?)$")]
    private static partial Regex ObjectDigits();

    [GeneratedRegex("[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,}|[0-9]+")]
    private static partial Regex Variable();
}
