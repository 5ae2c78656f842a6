using System.Net.Sockets;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Nix.Files;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Control;

public sealed class RpcFailureTests
{
    public static TheoryData<Exception, bool> Failures => new()
    {
        { new SocketException(107), true },
        { new IOException("The request was aborted."), true },
        { new HttpRequestException("refused"), true },
        { new InvalidOperationException("a fault of the program"), false },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public void Broken_connections_are_told_from_faults(Exception failure, bool broken)
    {
        Assert.Equal(broken, RpcFailure.IsBrokenConnection(failure));
        if (broken)
            Assert.True(RpcFailure.Broken(failure, new Uri("http://127.0.0.1:9110")) is { Transient: true, Unreachable: true, Code: "Unreachable" });
    }

    [Fact]
    public void A_file_that_changed_while_it_was_sent_is_no_broken_connection() =>
        Assert.True(typeof(IOException).IsAssignableFrom(typeof(FileChangedException)) && !RpcFailure.IsBrokenConnection(Changed()));

    private static FileChangedException Changed()
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "first");
            DiskEntry entry = DiskTree.Stat(System.Text.Encoding.UTF8.GetBytes(file));
            File.WriteAllText(file, "second, longer");
            return Assert.ThrowsAny<FileChangedException>(() =>
            {
                using Stream stream = DiskTree.OpenRead(entry);
                stream.CopyTo(Stream.Null);
            });
        }
        finally
        {
            File.Delete(file);
        }
    }
}
