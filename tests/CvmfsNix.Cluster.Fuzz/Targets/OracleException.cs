namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>What was read is not what it must be.</summary>
public sealed class OracleException(string message) : Exception(message);

/// <summary>Demands on what was read.</summary>
public static class Oracle
{
    /// <summary>Demands a truth.</summary>
    public static void Require(bool condition, string otherwise)
    {
        if (!condition)
            throw new OracleException(otherwise);
    }

    /// <summary>Demands equal bytes.</summary>
    public static void Same(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> found, string what)
    {
        if (!expected.SequenceEqual(found))
            throw new OracleException($"{what}: {found.Length} bytes instead of {expected.Length}, first difference at {expected.CommonPrefixLength(found)}");
    }

    /// <summary>Demands equal text.</summary>
    public static void Same(string expected, string found, string what)
    {
        if (!string.Equals(expected, found, StringComparison.Ordinal))
            throw new OracleException($"{what}: '{found}' instead of '{expected}'");
    }
}
