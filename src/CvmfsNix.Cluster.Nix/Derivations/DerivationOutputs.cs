namespace CvmfsNix.Cluster.Nix.Derivations;

/// <summary>
/// Reads the outputs of a derivation file, <c>Derive([("out","/nix/store/…","",""),…],…)</c>: the first list of the term; what follows it is not looked at.
/// </summary>
public static class DerivationOutputs
{
    /// <summary>What the name of a derivation file ends in.</summary>
    public const string Suffix = ".drv";

    private const int OutputsMax = 1000;
    private const int TextMax = 4096;

    /// <summary>The outputs in the order of the file; null when the bytes are no derivation.</summary>
    public static IReadOnlyList<DerivationOutput>? TryRead(ReadOnlySpan<byte> file)
    {
        if (!Skip(ref file, "Derive(["u8))
            return null;
        var outputs = new List<DerivationOutput>();
        while (!Skip(ref file, "]"u8))
        {
            if ((outputs.Count > 0 && !Skip(ref file, ","u8)) || outputs.Count == OutputsMax || !Skip(ref file, "("u8))
                return null;
            if (Text(ref file) is not { } name || !Skip(ref file, ","u8) || Text(ref file) is not { } path || !Skip(ref file, ","u8))
                return null;
            // How the content is addressed, and its digest where that was fixed before.
            if (Text(ref file) is null || !Skip(ref file, ","u8) || Text(ref file) is null || !Skip(ref file, ")"u8))
                return null;
            outputs.Add(new DerivationOutput(name, path));
        }

        return outputs;
    }

    private static bool Skip(ref ReadOnlySpan<byte> rest, ReadOnlySpan<byte> expected)
    {
        if (!rest.StartsWith(expected))
            return false;
        rest = rest[expected.Length..];
        return true;
    }

    private static string? Text(ref ReadOnlySpan<byte> rest)
    {
        if (!Skip(ref rest, "\""u8))
            return null;
        var text = new List<byte>();
        while (rest.Length > 0 && text.Count <= TextMax)
        {
            byte next = rest[0];
            rest = rest[1..];
            if (next == '"')
                return System.Text.Encoding.UTF8.GetString(text.ToArray());
            if (next == '\\')
            {
                if (rest.Length == 0)
                    return null;
                next = rest[0] switch { (byte)'n' => (byte)'\n', (byte)'r' => (byte)'\r', (byte)'t' => (byte)'\t', var same => same };
                rest = rest[1..];
            }

            text.Add(next);
        }

        return null;
    }
}
