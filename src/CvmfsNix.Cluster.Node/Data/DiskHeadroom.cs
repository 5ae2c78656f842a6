using CvmfsNix.Cluster.Node.Options;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>Whether the data folder's file system has room: commits must still succeed when uploads do not any more.</summary>
public sealed class DiskHeadroom(string folder, GatewayLimits limits)
{
    /// <summary>True while more than the minimum is free. Costs one system call.</summary>
    public bool IsEnough
    {
        get
        {
            var drive = new DriveInfo(folder);
            return drive.AvailableFreeSpace >= limits.FreeBytesMin && drive.AvailableFreeSpace >= limits.FreeShareMin * drive.TotalSize;
        }
    }

    /// <summary>Whether so many bytes would fit at all.</summary>
    public bool HasRoomFor(long bytes) => bytes <= new DriveInfo(folder).AvailableFreeSpace - limits.FreeBytesMin;
}
