using System.Runtime.InteropServices;

namespace CvmfsNix.Cluster.Nix.Files;

/// <summary>
/// The calls of the C library that take paths as bytes. .NET's own file API takes text and cannot name a file whose name
/// is not UTF-8. Only calls and structures with one layout on x64 and arm64 (glibc and musl) are used: <c>statx</c> instead
/// of <c>stat</c>, and <c>readdir</c>, whose entry starts with two 8-byte fields, a length (2 bytes), a type (1 byte), then the name.
/// </summary>
internal static unsafe partial class Libc
{
    public const int CurrentDirectory = -100;
    public const int SymlinkNoFollow = 0x100;
    public const int EmptyPath = 0x1000;

    /// <summary>Type, mode, modification time and size.</summary>
    public const uint WantedFields = 0x1 | 0x2 | 0x40 | 0x200;

    public const int ReadOnly = 0;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;

    public const int DirectoryEntryNameOffset = 19;

    // The only constants needed here that differ between the architectures.
    public static readonly int Directory = IsArm64 ? 0x4000 : 0x10000;
    public static readonly int NoFollow = IsArm64 ? 0x8000 : 0x20000;

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    public static partial int Statx(int directory, byte* path, int flags, uint mask, StatxBuffer* buffer);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    public static partial int Open(byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "fdopendir", SetLastError = true)]
    public static partial nint OpenDirectoryStream(int descriptor);

    /// <summary>Null at the end and on an error; errno is cleared before the call and tells which.</summary>
    [LibraryImport("libc", EntryPoint = "readdir", SetLastError = true)]
    public static partial byte* ReadDirectory(nint stream);

    [LibraryImport("libc", EntryPoint = "closedir", SetLastError = true)]
    public static partial int CloseDirectoryStream(nint stream);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    public static partial nint ReadLink(int directory, byte* path, byte* buffer, nint size);

    /// <summary><c>struct statx</c>, 256 bytes; the fields that are not used are left out.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct StatxBuffer
    {
        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(120)]
        public uint ModifiedNanoseconds;

        public readonly int Type => Mode & 0xF000;

        public readonly bool OwnerMayExecute => (Mode & 0x40) != 0;
    }
}
