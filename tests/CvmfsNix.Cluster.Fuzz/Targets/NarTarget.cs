using System.Buffers.Binary;
using System.Text;
using CvmfsNix.Cluster.Fuzz.Mutation;
using CvmfsNix.Cluster.Fuzz.Reading;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Nix archives. An accepted one has only one form, so writing it again gives the same bytes; in pieces it reads the same.</summary>
public sealed class NarTarget : FuzzTarget
{
    public override string Name => "nar";

    public override IReadOnlyList<byte[]> Words { get; } =
        [.. ((string[])["nix-archive-1", "(", ")", "type", "regular", "symlink", "directory", "executable", "", "contents", "target", "entry", "name", "node", "a", "b", "..", "a/b"]).Select(word => Token(word))];

    public override IEnumerable<byte[]> Seeds()
    {
        yield return Write(nar => File(nar, "", "hello\n"));
        yield return Write(nar => nar.WriteSymlink(""u8, "../target"u8));
        yield return Write(nar =>
        {
            nar.BeginDirectory(""u8);
            File(nar, "a", "");
            File(nar, "b", new string('x', 200), executable: true);
            nar.BeginDirectory("c"u8);
            nar.BeginDirectory("deep"u8);
            nar.EndDirectory();
            File(nar, "f", "1234567");
            nar.EndDirectory();
            nar.WriteSymlink("d"u8, "c/f"u8);
            nar.EndDirectory();
        });
        yield return Write(nar =>
        {
            for (int i = 0; i < 60; i++)
                nar.BeginDirectory(i == 0 ? [] : "d"u8);
            for (int i = 0; i < 60; i++)
                nar.EndDirectory();
        });
    }

    // Half of the time in terms of strings, with lengths and padding as they must be: else hardly an archive gets past its first one.
    public override byte[] Mutate(byte[] input, Mutator mutator)
    {
        List<byte[]> strings = Strings(input);
        Random random = mutator.Random;
        if (strings.Count < 2 || random.Next(2) == 0)
            return mutator.Mutate(input);
        for (int changes = random.Next(4); changes >= 0; changes--)
        {
            int at = random.Next(strings.Count), other = random.Next(strings.Count);
            switch (random.Next(6))
            {
                case 0: strings[at] = mutator.Mutate(strings[at]); break;
                case 1: strings[at] = strings[other]; break;
                case 2: strings.Insert(at, strings[other]); break;
                case 3 when strings.Count > 2: strings.RemoveAt(at); break;
                case 4: strings.InsertRange(other, strings.GetRange(at, Math.Min(strings.Count - at, 1 + random.Next(12)))); break;
                default: // a name or a content, which all archives may have
                    int found = strings.FindIndex(at, s => s.AsSpan().SequenceEqual("name"u8) || s.AsSpan().SequenceEqual("contents"u8) || s.AsSpan().SequenceEqual("target"u8));
                    if (found >= 0 && found + 1 < strings.Count)
                        strings[found + 1] = mutator.Mutate(strings[found + 1]);
                    break;
            }
        }

        byte[] archive = [.. strings.SelectMany(Token)];
        return archive.Length <= LengthMax ? archive : archive[..LengthMax];
    }

    public override string Run(byte[] input, Random random)
    {
        using var copy = new MemoryStream();
        string outcome;
        using (var reader = new NarReader(new MemoryStream(input), computeHash: true))
        using (var writer = new NarWriter(copy))
        {
            outcome = Read(reader, (step, content) => WriteStep(writer, step, content), new byte[4096]);
            if (outcome == Accepted)
            {
                writer.Finish();
                Oracle.Same(input, copy.ToArray(), "the archive written again");
                Oracle.Require(reader.Digest == (NarHashOf(input), input.Length), "the digest computed on the way is not that of the bytes");
            }
        }

        using var pieces = new NarReader(new FragmentedStream(input, random), computeHash: true);
        bool skip = random.Next(2) == 0;
        string again = Read(pieces, (_, _) => !skip, new byte[1 + random.Next(100)]);
        Oracle.Same(outcome, again, "the same bytes in pieces");
        if (again == Accepted)
            Oracle.Require(pieces.Digest.Hash == NarHashOf(input), "the digest of the pieces is another");
        return outcome;
    }

    private static string Read(NarReader reader, Func<NarEvent, ReadOnlyMemory<byte>?, bool> step, byte[] buffer)
    {
        try
        {
            while (Sync.Run(reader.ReadAsync()) is { } next)
            {
                bool wanted = step(next, null);
                if (next.Kind != NarEventKind.File || !wanted)
                    continue;
                int count;
                while ((count = Sync.Run(next.Content.ReadAsync(buffer))) > 0)
                    step(next, buffer.AsMemory(0, count));
                step(next, ReadOnlyMemory<byte>.Empty);
            }

            return Accepted;
        }
        catch (NarFormatException e)
        {
            return e.Message;
        }
    }

    private static bool WriteStep(NarWriter writer, NarEvent step, ReadOnlyMemory<byte>? content)
    {
        switch (step.Kind, content)
        {
            case (NarEventKind.DirectoryBegin, _): writer.BeginDirectory(step.Name.Span); break;
            case (NarEventKind.DirectoryEnd, _): writer.EndDirectory(); break;
            case (NarEventKind.Symlink, _): writer.WriteSymlink(step.Name.Span, step.Target.Span); break;
            case (_, null): writer.BeginFile(step.Name.Span, step.Executable, step.Size); break;
            case (_, { Length: 0 }): writer.EndFile(); break;
            case (_, { } bytes): writer.WriteFileBytes(bytes.Span); break;
        }

        return true;
    }

    private static NarHash NarHashOf(byte[] archive) => new(System.Security.Cryptography.SHA256.HashData(archive));

    private static byte[] Token(string word) => Token(Encoding.ASCII.GetBytes(word));

    private static byte[] Token(byte[] content)
    {
        byte[] bytes = new byte[8 + ((content.Length + 7) & ~7)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, content.Length);
        content.CopyTo(bytes, 8);
        return bytes;
    }

    private static List<byte[]> Strings(byte[] archive)
    {
        List<byte[]> strings = [];
        for (int at = 0; archive.Length - at >= 8;)
        {
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(archive.AsSpan(at));
            if (length > (ulong)(archive.Length - at - 8))
                break;
            strings.Add(archive[(at + 8)..(at + 8 + (int)length)]);
            at += 8 + (((int)length + 7) & ~7);
        }

        return strings;
    }

    private static void File(NarWriter nar, string name, string content, bool executable = false)
    {
        nar.BeginFile(Encoding.ASCII.GetBytes(name), executable, content.Length);
        nar.WriteFileBytes(Encoding.ASCII.GetBytes(content));
        nar.EndFile();
    }

    private static byte[] Write(Action<NarWriter> tree)
    {
        using var archive = new MemoryStream();
        using var writer = new NarWriter(archive);
        tree(writer);
        writer.Finish();
        return archive.ToArray();
    }
}
