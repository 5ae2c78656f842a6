using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Verify.Objects;

/// <summary>What reading an object brought.</summary>
internal enum ObjectState
{
    Sound,
    Missing,
    WrongDigest,
    Broken,

    /// <summary>The content goes on beyond the limit; digest and rest are unknown.</summary>
    TooLong,

    /// <summary>Empty content, but not as the eight bytes it is to be stored as.</summary>
    OddEmpty,
}

/// <summary>An object that was read to its end, or to where it could not be what it should.</summary>
/// <param name="Name">The object.</param>
/// <param name="State">What it is.</param>
/// <param name="StoredBytes">Bytes read.</param>
/// <param name="ContentBytes">Bytes of its content.</param>
/// <param name="Message">What is wrong; empty when nothing is.</param>
internal sealed record ObjectCheck(ObjectName Name, ObjectState State, long StoredBytes, long ContentBytes, string Message)
{
    /// <summary>The rule the state breaks, apart from <see cref="ObjectState.TooLong"/>, where that depends on who asked; null for a sound object.</summary>
    public string? Rule => State switch
    {
        ObjectState.Missing => Rules.VerifyRules.ObjectMissing,
        ObjectState.WrongDigest => Rules.VerifyRules.ObjectDigest,
        ObjectState.Broken => Rules.VerifyRules.ObjectInflate,
        ObjectState.TooLong => Rules.VerifyRules.ObjectSize,
        ObjectState.OddEmpty => Rules.VerifyRules.EmptyObject,
        _ => null,
    };
}
