using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Tests.Cvmfs.Hashing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Objects;

public class ObjectNameTests
{
    [Theory]
    [InlineData("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78", ObjectKind.Data, "data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78")]
    [InlineData("28d94b83b7229b331fc601362b8e272e02665122-shake128", ObjectKind.Chunk, "data/28/d94b83b7229b331fc601362b8e272e02665122-shake128P")]
    [InlineData("28d94b83b7229b331fc601362b8e272e02665122-rmd160", ObjectKind.Catalog, "data/28/d94b83b7229b331fc601362b8e272e02665122-rmd160C")]
    public void Paths_are_laid_out_as_the_format_says(string hash, ObjectKind kind, string path) =>
        Assert.Equal(path, new ObjectName(ObjectHash.Parse(hash), kind).RelativePath);

    [Fact]
    public void Names_and_paths_are_read_back() =>
        Gen.Select(ObjectHashTests.Hashes, Pick.From(Enum.GetValues<ObjectKind>())).Sample((hash, kind) =>
        {
            var name = new ObjectName(hash, kind);
            return ObjectName.Parse(name.ToString()) == name && ObjectName.TryParsePath(name.RelativePath, out var read) && read == name;
        });

    [Theory]
    [InlineData("data/e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78")]
    [InlineData("data/../ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78")]
    [InlineData("data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78T")]
    [InlineData("data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78CC")]
    [InlineData("data/e8/")]
    [InlineData("")]
    public void Other_paths_are_refused(string path) => Assert.False(ObjectName.TryParsePath(path, out _));

    [Fact]
    public void Any_text_is_parsed_or_refused() => Gen.String.Sample(text =>
    {
        _ = ObjectName.TryParse(text, out _);
        _ = ObjectName.TryParsePath(text, out _);
        _ = RepositoryName.IsValid(text);
    });

    [Theory]
    [InlineData("demo.example.org", true)]
    [InlineData("a", true)]
    [InlineData("A_b-9.x", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData("-x", false)]
    [InlineData("a/b", false)]
    [InlineData("a b", false)]
    [InlineData("ä", false)]
    public void Repository_names_follow_the_rules(string name, bool valid) => Assert.Equal(valid, RepositoryName.IsValid(name));

    [Fact]
    public void Repository_names_end_at_sixty_characters()
    {
        Assert.True(RepositoryName.IsValid(new string('a', 60)));
        Assert.False(RepositoryName.IsValid(new string('a', 61)));
    }
}
