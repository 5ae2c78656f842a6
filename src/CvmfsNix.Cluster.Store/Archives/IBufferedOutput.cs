namespace CvmfsNix.Cluster.Store.Archives;

/// <summary>Where archives are written to: hands out room of its own, so that contents are inflated straight into it.</summary>
public interface IBufferedOutput
{
    /// <summary>Room for at most <paramref name="size"/> bytes, not empty; valid until <see cref="TakeAsync"/>.</summary>
    Memory<byte> Room(int size);

    /// <summary>The first <paramref name="count"/> bytes of the room were written.</summary>
    ValueTask TakeAsync(int count, CancellationToken cancellationToken);

    /// <summary>Writes bytes that lie elsewhere.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);
}
