using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Cli.Development;

/// <summary>
/// Four store paths that refer to each other, with right names and a right registration, for machines without Nix:
/// each path's name follows from its archive and references, as Nix does it for sources.
/// </summary>
internal static class SampleClosure
{
    private const UnixFileMode ExecutableMode =
        UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Makes the closure below <paramref name="root"/>, which becomes the store root.</summary>
    /// <exception cref="CliException">The folder holds something already.</exception>
    public static async Task<ClosureJson> MakeAsync(string root, CancellationToken cancellationToken)
    {
        root = Path.GetFullPath(root);
        if (Directory.Exists(root) && Directory.EnumerateFileSystemEntries(root).Any())
            throw new CliException("FolderNotEmpty", "The folder for the closure is not empty.", root, "name a new folder");
        StoreDirectory directory = StoreDirectory.Default;
        string store = root + directory.Value;
        Directory.CreateDirectory(store);
        List<PathInfo> infos = [];

        PathInfo data = await AddAsync("sample-data-1.0", [], path =>
        {
            Directory.CreateDirectory(Path.Combine(path, "share/sample/empty folder"));
            File.WriteAllText(Path.Combine(path, "share/sample/zéro"), "");
            // Bytes that do not compress, the same on every machine.
            var noise = new byte[96 * 1024];
            new Random(1).NextBytes(noise);
            File.WriteAllBytes(Path.Combine(path, "share/sample/noise.bin"), noise);
            for (int i = 0; i < 12; i++)
                File.WriteAllText(Path.Combine(path, $"share/sample/part-{i:00}.txt"), string.Concat(Enumerable.Repeat($"line of part {i}\n", 200)));
        });
        PathInfo library = await AddAsync("sample-lib-1.0", [data], path =>
        {
            Directory.CreateDirectory(Path.Combine(path, "lib"));
            File.WriteAllText(Path.Combine(path, "lib/sample.conf"), $"data={directory.FullPath(data.Path)}/share/sample\n");
            File.CreateSymbolicLink(Path.Combine(path, "lib/noise"), directory.FullPath(data.Path) + "/share/sample/noise.bin");
        });
        PathInfo note = await AddAsync("sample-note", [], path => File.WriteAllText(path, "A store path may be a single file.\n"));
        PathInfo app = await AddAsync("sample-app-1.0", [library, note], path =>
        {
            string program = Path.Combine(path, "bin/sample");
            Directory.CreateDirectory(Path.Combine(path, "bin"));
            File.WriteAllText(program, $"#!/bin/sh\ncat {directory.FullPath(library.Path)}/lib/sample.conf {directory.FullPath(note.Path)}\n");
            File.SetUnixFileMode(program, ExecutableMode);
            File.CreateSymbolicLink(Path.Combine(path, "bin/sample-latest"), "sample");
        });

        string registration = Path.Combine(root, "registration");
        await using (var writer = new StreamWriter(registration))
            Registration.Write(writer, directory, infos);
        return new ClosureJson(root, registration, directory.FullPath(app.Path), [.. infos.Select(i => directory.FullPath(i.Path))]);

        async Task<PathInfo> AddAsync(string name, IReadOnlyList<PathInfo> references, Action<string> build)
        {
            string temporary = Path.Combine(store, ".making-" + name);
            build(temporary);
            (NarHash hash, long size) = await NarFromDisk.HashAsync(temporary, cancellationToken);
            StorePathName[] names = [.. references.Select(r => r.Path).Order()];
            StorePathName path = StorePathComputation.FromSource(directory, name, hash, names, selfReference: false);
            string final = root + directory.FullPath(path);
            if (File.Exists(temporary))
                File.Move(temporary, final);
            else
                Directory.Move(temporary, final);
            var info = new PathInfo { Path = path, NarHash = hash, NarSize = size, References = names };
            infos.Add(info);
            return info;
        }
    }
}
