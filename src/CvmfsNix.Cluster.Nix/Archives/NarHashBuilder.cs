using CvmfsNix.Cluster.Nix.Hashing;

namespace CvmfsNix.Cluster.Nix.Archives;

public sealed class NarHashBuilder : IDisposable
{
    public void BeginDirectory(ReadOnlySpan<byte> name) => throw new NotImplementedException();

    public void EndDirectory() => throw new NotImplementedException();

    public void BeginFile(ReadOnlySpan<byte> name, bool executable, long size) => throw new NotImplementedException();

    public void AppendFile(ReadOnlySpan<byte> bytes) => throw new NotImplementedException();

    public void EndFile() => throw new NotImplementedException();

    public void Symlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target) => throw new NotImplementedException();

    public (NarHash Hash, long NarSize) Finish() => throw new NotImplementedException();

    public void Dispose() { }
}
