using CsCheck;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.PathInfos;

public sealed class RegistrationTests
{
    private const string A = "/nix/store/klinhpw0a9i5ijq25qgb6mn1sbc5ncp7-one";
    private const string B = "/nix/store/yyr7r82l08607461bjnaqxw54fiafnqw-greet";
    private const string Hash = "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13";
    private const string Valid = A + "\n" + Hash + "\n120\n\n0\n" + B + "\n" + Hash + "\n456\n" + B + ".drv\n2\n" + A + "\n" + B + "\n";

    private static readonly Gen<PathInfo> s_infos =
        from path in PathInfoGen.Names
        from hash in Gen.Byte.Array[32]
        from size in Gen.Long[1, long.MaxValue]
        from references in PathInfoGen.Names.Array[0, 5]
        from deriver in PathInfoGen.Names
        from known in Gen.Bool
        select new PathInfo { Path = path, NarHash = new NarHash(hash), NarSize = size, References = [.. references.Distinct().Order()], Deriver = known ? deriver : null };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_paths_are_read_as_they_stand()
    {
        List<PathInfo> infos = await ReadAsync(Valid);
        Assert.Equal(2, infos.Count);
        Assert.Equal(new PathInfo { Path = StoreDirectory.Default.ParsePath(A), NarHash = NarHash.Parse("sha256:" + Hash), NarSize = 120 }, infos[0]);
        Assert.Equal(456, infos[1].NarSize);
        Assert.Equal("yyr7r82l08607461bjnaqxw54fiafnqw-greet.drv", infos[1].Deriver?.Value);
        Assert.Equal([infos[0].Path, infos[1].Path], infos[1].References);
        StringWriter written = new();
        Registration.Write(written, StoreDirectory.Default, infos);
        Assert.Equal(Valid, written.ToString());
    }

    [Fact]
    public async Task What_is_written_is_read_back_however_it_is_cut() =>
        await Gen.Select(s_infos.Array[0, 8], Gen.Int[1, 50].Array[1, 4]).SampleAsync(async (infos, sizes) =>
        {
            StringWriter written = new();
            Registration.Write(written, StoreDirectory.Default, infos);
            List<PathInfo> read = [];
            await foreach (PathInfo info in Registration.ReadAsync(new Archives.FragmentedStream(System.Text.Encoding.ASCII.GetBytes(written.ToString()), sizes), StoreDirectory.Default, Token))
                read.Add(info);
            Assert.Equal(infos, read);
        });

    [Theory]
    [InlineData("sha256:04zwf782yjwnh3q6hz5izfd6jyip8kgw6g6yj43fiqhbyhdd0dqw")]
    [InlineData("sha256:" + Hash)]
    public async Task Hashes_with_a_prefix_are_read_too(string hash) =>
        Assert.Equal(await ReadAsync(Valid), await ReadAsync(Valid.Replace(Hash, hash, StringComparison.Ordinal)));

    [Theory]
    [InlineData("120\n", "0\n", 3)]
    [InlineData("120\n", "-1\n", 3)]
    [InlineData("120\n", "99999999999999999999\n", 3)]
    [InlineData("120\n", " 120\n", 3)]
    [InlineData("1c37", "zz37", 2)]
    [InlineData("\n0\n", "\n1\n", 7)]
    [InlineData("\n2\n", "\n3\n", 13)]
    [InlineData("\n2\n", "\n1\n", 13)]
    [InlineData("\n2\n", "\n9000000000000000000\n", 13)]
    [InlineData(A + "\n" + B + "\n", A + "\n" + A + "\n", 12)]
    [InlineData("/nix/store/klin", "/nix/other/klin", 1)]
    [InlineData("greet.drv", "gr eet.drv", 9)]
    [InlineData("greet.drv", "gr\u00e9et.drv", 9)]
    public async Task A_fault_is_an_error_that_names_its_line(string right, string wrong, long line)
    {
        int at = Valid.IndexOf(right, StringComparison.Ordinal);
        string text = Valid[..at] + wrong + Valid[(at + right.Length)..];
        Assert.Equal(line, (await Assert.ThrowsAsync<RegistrationFormatException>(() => ReadAsync(text))).Line);
    }

    [Fact]
    public async Task Every_cut_but_between_two_paths_is_an_error()
    {
        int second = Valid.IndexOf(B, StringComparison.Ordinal);
        for (int length = 1; length < Valid.Length; length++)
        {
            if (length != second)
                await Assert.ThrowsAsync<RegistrationFormatException>(() => ReadAsync(Valid[..length]));
        }

        Assert.Empty(await ReadAsync(""));
    }

    [Fact]
    public async Task A_line_without_end_costs_no_memory()
    {
        long before = GC.GetTotalAllocatedBytes(precise: true);
        await Assert.ThrowsAsync<RegistrationFormatException>(async () =>
        {
            await foreach (PathInfo _ in Registration.ReadAsync(new EndlessStream(), StoreDirectory.Default, Token))
            {
            }
        });
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 64L << 20);
    }

    [Fact]
    public async Task Damaged_registrations_are_read_or_refused_but_nothing_else() =>
        await Gen.Select(Gen.Int[0, Valid.Length - 1], Gen.Byte, Gen.Byte.Array[0, 30]).SampleAsync(async (at, value, tail) =>
        {
            byte[] bytes = [.. System.Text.Encoding.ASCII.GetBytes(Valid), .. tail];
            bytes[at] = value;
            try
            {
                await foreach (PathInfo info in Registration.ReadAsync(new MemoryStream(bytes), StoreDirectory.Default, Token))
                    Assert.True(info.NarSize > 0);
            }
            catch (RegistrationFormatException e)
            {
                Assert.True(e.Line > 0);
            }
        });

    private static async Task<List<PathInfo>> ReadAsync(string text)
    {
        List<PathInfo> infos = [];
        await foreach (PathInfo info in Registration.ReadAsync(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)), StoreDirectory.Default, Token))
            infos.Add(info);
        return infos;
    }

    private sealed class EndlessStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            buffer.Span.Fill((byte)'x');
            return ValueTask.FromResult(buffer.Length);
        }
    }
}
