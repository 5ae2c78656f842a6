namespace CvmfsNix.Cluster.Cvmfs.Objects;

/// <summary>Rules of fully qualified repository names.</summary>
public static class RepositoryName
{
    /// <summary>Longest name, in characters.</summary>
    public const int LengthMax = 60;

    /// <summary>
    /// True for 1 to 60 of the characters <c>A-Z a-z 0-9 - _ .</c>. A leading dot or dash is refused although the stock rule allows it:
    /// such a name would be a hidden folder, a parent folder or a command-line switch.
    /// </summary>
    public static bool IsValid(string fqrn)
    {
        if (fqrn is not { Length: >= 1 and <= LengthMax } || fqrn[0] is '.' or '-') return false;
        foreach (var c in fqrn)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.')) return false;
        }

        return true;
    }
}
