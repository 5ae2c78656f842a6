using CsCheck;
using CvmfsNix.Cluster.Nix.Archives;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.Archives;

/// <summary>A tree in memory, with the ways to make, describe, write and read it back.</summary>
internal abstract record NarTree
{
    public sealed record File(byte[] Content, bool Executable) : NarTree;

    public sealed record Link(byte[] Target) : NarTree;

    public sealed record Folder(IReadOnlyList<(byte[] Name, NarTree Node)> Entries) : NarTree;

    private static readonly Gen<byte[]> s_names = Gen.Frequency(
            (8, Gen.Byte.Array[1, 12]),
            (1, Gen.Byte.Array[250, 255]))
        .Where(static name => NarRules.NameProblem(name) is null);

    public static readonly Gen<NarTree> Any = Gen.Recursive<NarTree>((depth, node) =>
    {
        Gen<NarTree> files = Gen.Select(Gen.Frequency((6, Gen.Byte.Array[0, 40]), (1, Gen.Byte.Array[60_000, 140_000])), Gen.Bool)
            .Select((content, executable) => (NarTree)new File(content, executable));
        Gen<NarTree> links = Gen.Byte.Array[1, 60].Where(target => NarRules.TargetProblem(target) is null).Select(target => (NarTree)new Link(target));
        if (depth >= 4)
            return Gen.Frequency((3, files), (1, links));
        Gen<NarTree> folders = Gen.Select(s_names, node).Array[0, 6].Select(entries => (NarTree)new Folder(Sorted(entries)));
        return Gen.Frequency((2, files), (1, links), (4, folders));
    });

    public static Folder FolderOf(params (string Name, NarTree Node)[] entries) =>
        new([.. entries.Select(e => (System.Text.Encoding.UTF8.GetBytes(e.Name), e.Node))]);

    public static File FileOf(string content, bool executable = false) => new(System.Text.Encoding.UTF8.GetBytes(content), executable);

    /// <summary>One line per step of the archive, contents in full.</summary>
    public List<string> Describe()
    {
        List<string> lines = [];
        Describe(lines, []);
        return lines;
    }

    public byte[] Write()
    {
        MemoryStream stream = new();
        using NarWriter writer = new(stream);
        Push(writer, []);
        writer.Finish();
        Assert.Equal(stream.Length, writer.BytesWritten);
        return stream.ToArray();
    }

    public async Task<byte[]> WriteAsync(CancellationToken cancellationToken)
    {
        MemoryStream stream = new();
        using NarWriter writer = new(stream);
        await WriteAsync(writer, Array.Empty<byte>(), cancellationToken);
        await writer.FinishAsync(cancellationToken);
        return stream.ToArray();
    }

    public void Push(NarHashBuilder builder, byte[] name)
    {
        switch (this)
        {
            case Folder folder:
                builder.BeginDirectory(name);
                foreach ((byte[] child, NarTree node) in folder.Entries)
                    node.Push(builder, child);
                builder.EndDirectory();
                break;
            case File file:
                builder.BeginFile(name, file.Executable, file.Content.Length);
                foreach (byte[] part in file.Content.Chunk(70_000))
                    builder.AppendFile(part);
                builder.EndFile();
                break;
            case Link link:
                builder.Symlink(name, link.Target);
                break;
        }
    }

    public static async Task<List<string>> ReadAsync(Stream nar, CancellationToken cancellationToken)
    {
        using NarReader reader = new(nar);
        List<string> lines = [];
        while (await reader.ReadAsync(cancellationToken) is { } step)
        {
            MemoryStream content = new();
            await step.Content.CopyToAsync(content, cancellationToken);
            Assert.Equal(step.Size, content.Length);
            lines.Add(step.Kind switch
            {
                NarEventKind.DirectoryBegin => Line("begin", step.Name.Span),
                NarEventKind.DirectoryEnd => "end",
                NarEventKind.File => Line(step.Executable ? "program" : "file", step.Name.Span, content.ToArray()),
                _ => Line("link", step.Name.Span, step.Target.Span),
            });
        }

        return lines;
    }

    private static (byte[] Name, NarTree Node)[] Sorted((byte[] Name, NarTree Node)[] entries) =>
        [.. entries.DistinctBy(static e => Convert.ToHexString(e.Name)).OrderBy(static e => Convert.ToHexString(e.Name), StringComparer.Ordinal)];

    private void Describe(List<string> lines, byte[] name)
    {
        switch (this)
        {
            case Folder folder:
                lines.Add(Line("begin", name));
                foreach ((byte[] child, NarTree node) in folder.Entries)
                    node.Describe(lines, child);
                lines.Add("end");
                break;
            case File file:
                lines.Add(Line(file.Executable ? "program" : "file", name, file.Content));
                break;
            case Link link:
                lines.Add(Line("link", name, link.Target));
                break;
        }
    }

    private void Push(NarWriter writer, byte[] name)
    {
        switch (this)
        {
            case Folder folder:
                writer.BeginDirectory(name);
                foreach ((byte[] child, NarTree node) in folder.Entries)
                    node.Push(writer, child);
                writer.EndDirectory();
                break;
            case File file:
                writer.BeginFile(name, file.Executable, file.Content.Length);
                foreach (byte[] part in file.Content.Chunk(50_000))
                    writer.WriteFileBytes(part);
                writer.EndFile();
                break;
            case Link link:
                writer.WriteSymlink(name, link.Target);
                break;
        }
    }

    private async Task WriteAsync(NarWriter writer, ReadOnlyMemory<byte> name, CancellationToken cancellationToken)
    {
        switch (this)
        {
            case Folder folder:
                await writer.BeginDirectoryAsync(name, cancellationToken);
                foreach ((byte[] child, NarTree node) in folder.Entries)
                    await node.WriteAsync(writer, child, cancellationToken);
                await writer.EndDirectoryAsync(cancellationToken);
                break;
            case File file:
                await writer.WriteFileAsync(name, file.Executable, file.Content.Length, new MemoryStream(file.Content), cancellationToken);
                break;
            case Link link:
                await writer.WriteSymlinkAsync(name, link.Target, cancellationToken);
                break;
        }
    }

    private static string Line(string kind, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value = default) =>
        $"{kind} {Convert.ToHexString(name)} {Convert.ToHexString(value)}";
}
