namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>How many bytes one input may make a target allocate in all, whether they are freed again or not.</summary>
/// <param name="Constant">Bytes for any input.</param>
/// <param name="PerByte">Bytes for each byte of the input.</param>
public readonly record struct AllocationBound(long Constant, long PerByte)
{
    /// <summary>The bound of an input of so many bytes.</summary>
    public long For(int length) => Constant + (PerByte * length);
}
