namespace CvmfsNix.Cluster.Cvmfs.Hashing;

/// <summary>Digest algorithms that name objects. Every one yields 20 bytes; the values are the format's enumeration, a catalog's flags hold value − 1.</summary>
public enum HashAlgorithmId : byte
{
    /// <summary>SHA-1, the default; its text form has no algorithm id.</summary>
    Sha1 = 1,

    /// <summary>RIPEMD-160, text id <c>-rmd160</c>.</summary>
    Rmd160 = 2,

    /// <summary>The first 160 output bits of SHAKE-128, text id <c>-shake128</c>.</summary>
    Shake128 = 3,
}

/// <summary>Text ids of the algorithms as they follow the hex digits.</summary>
internal static class HashAlgorithmIds
{
    public static bool IsKnown(this HashAlgorithmId algorithm) => algorithm is HashAlgorithmId.Sha1 or HashAlgorithmId.Rmd160 or HashAlgorithmId.Shake128;

    public static string Text(this HashAlgorithmId algorithm) => algorithm switch
    {
        HashAlgorithmId.Rmd160 => "-rmd160",
        HashAlgorithmId.Shake128 => "-shake128",
        _ => "",
    };
}
