using System.Text;
using CvmfsNix.Cluster.Fuzz.Reading;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Registrations as <c>nix-store --dump-db</c> prints them: what is read prints to lines that read as the same, in pieces too.</summary>
public sealed class RegistrationTarget : FuzzTarget
{
    private const string One = "/nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one";
    private const string Dep = "/nix/store/gr3a97frnlpizwv2a7dgng30jm7iwds6-dep-2.0";
    private const string Hash = "1b8d1e0c2f6e1f8f3d6d2a51d1ad6e1e4c1f1c1d2a8e4d3b2c1d0e9f8a7b6c5d";

    public override string Name => "registration";

    public override IReadOnlyList<byte[]> Words { get; } = [.. ((string[])[One, Dep, Hash, "\n", "/nix/store/", "0\n", "1\n", "sha256:" + Hash]).Select(Encoding.ASCII.GetBytes)];

    public override IEnumerable<byte[]> Seeds() => [.. ((string[])[
        "",
        $"{One}\n{Hash}\n120\n\n0\n",
        $"{Dep}\n{Hash}\n1\n\n0\n{One}\n{Hash}\n99\n{Dep}.drv\n2\n{One}\n{Dep}\n"]).Select(Encoding.ASCII.GetBytes)];

    public override string Run(byte[] input, Random random)
    {
        (string outcome, List<PathInfo> infos) = Read(new MemoryStream(input));
        (string again, List<PathInfo> inPieces) = Read(new FragmentedStream(input, random));
        Oracle.Same(outcome, again, "the same bytes in pieces");
        Oracle.Require(infos.SequenceEqual(inPieces), "the same bytes in pieces give other paths");
        using var text = new StringWriter();
        Registration.Write(text, StoreDirectory.Default, infos);
        (string written, List<PathInfo> read) = Read(new MemoryStream(Encoding.ASCII.GetBytes(text.ToString())));
        Oracle.Same(Accepted, written, "the registration written again");
        Oracle.Require(infos.SequenceEqual(read), "the registration written and read again differs");
        return outcome;
    }

    private static (string Outcome, List<PathInfo> Infos) Read(Stream source)
    {
        List<PathInfo> infos = [];
        IAsyncEnumerator<PathInfo> paths = Registration.ReadAsync(source, StoreDirectory.Default).GetAsyncEnumerator();
        try
        {
            while (Sync.Run(paths.MoveNextAsync()))
                infos.Add(paths.Current);
            return (Accepted, infos);
        }
        catch (RegistrationFormatException e)
        {
            return (e.Message, infos);
        }
        finally
        {
            Sync.Run(paths.DisposeAsync());
        }
    }
}
