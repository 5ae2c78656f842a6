namespace CvmfsNix.Cluster.Nix.Archives;

public sealed class NarWriter : IDisposable
{
    public NarWriter(Stream destination) => throw new NotImplementedException();

    public long BytesWritten => throw new NotImplementedException();

    public ValueTask BeginDirectoryAsync(ReadOnlyMemory<byte> name, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public ValueTask EndDirectoryAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public ValueTask WriteFileAsync(ReadOnlyMemory<byte> name, bool executable, long size, Stream content, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public ValueTask WriteSymlinkAsync(ReadOnlyMemory<byte> name, ReadOnlyMemory<byte> target, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public ValueTask FinishAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public void BeginDirectory(ReadOnlySpan<byte> name) => throw new NotImplementedException();

    public void EndDirectory() => throw new NotImplementedException();

    public void BeginFile(ReadOnlySpan<byte> name, bool executable, long size) => throw new NotImplementedException();

    public void WriteFileBytes(ReadOnlySpan<byte> bytes) => throw new NotImplementedException();

    public void EndFile() => throw new NotImplementedException();

    public void WriteSymlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target) => throw new NotImplementedException();

    public void Finish() => throw new NotImplementedException();

    public void Dispose() { }
}
