using CvmfsNix.Cluster.Fuzz.Mutation;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>
/// A reader to be fuzzed. A new one is one class in one file: every class of this assembly that derives from this one is found by itself.
/// </summary>
public abstract class FuzzTarget
{
    /// <summary>How an outcome begins when the input was read as something.</summary>
    public const string Accepted = "accepted";

    private const int KiB = 1024;

    /// <summary>Its name on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Longest input made.</summary>
    public virtual int LengthMax => 16 * KiB;

    /// <summary>What one call of <see cref="Run"/> may allocate, the oracles' own copies included.</summary>
    public virtual AllocationBound Allocation => new(512 * KiB, 200);

    /// <summary>Pieces of the format that chance would hardly find.</summary>
    public virtual IReadOnlyList<byte[]> Words => [];

    /// <summary>Good inputs to start from.</summary>
    public abstract IEnumerable<byte[]> Seeds();

    /// <summary>
    /// Reads the input and checks all that can be checked of the result. Returns <see cref="Accepted"/>, with more if that tells results
    /// apart, or the text of a documented exception. Any other exception is a failure.
    /// </summary>
    /// <param name="input">The bytes.</param>
    /// <param name="random">For sizes of reads; depends on the input alone, so that a failure repeats.</param>
    public abstract string Run(byte[] input, Random random);

    /// <summary>Makes another input of one that was good to start from.</summary>
    public virtual byte[] Mutate(byte[] input, Mutator mutator)
    {
        ArgumentNullException.ThrowIfNull(mutator);
        return mutator.Mutate(input);
    }
}
