namespace CvmfsNix.Cluster.Cvmfs.Objects;

/// <summary>Bytes of an object are not what its name or the catalog promises: wrong digest, broken compression, wrong size.</summary>
public sealed class ObjectCorruptException : Exception
{
    /// <summary>Says what is wrong with which object.</summary>
    /// <param name="name">The object, or null where only bytes without a name were at hand.</param>
    /// <param name="what">What is wrong, as a clause: "its digest is …".</param>
    /// <param name="inner">The cause, if there is one.</param>
    public ObjectCorruptException(ObjectName? name, string what, Exception? inner = null)
        : base(name is { } known ? $"Object {known} is corrupt: {what}." : $"Object bytes are corrupt: {what}.", inner)
    {
        Name = name;
        What = what;
    }

    /// <summary>The object, or null where only bytes without a name were at hand.</summary>
    public ObjectName? Name { get; }

    /// <summary>What is wrong.</summary>
    public string What { get; }
}
