using Microsoft.AspNetCore.Http;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>
/// Sends files of a repository: straight from the file into the connection's buffers, with a bounded number of files open.
/// A reader beyond the bound waits; its request ends when it gives up. Small objects that are asked for again are sent from memory.
/// </summary>
public sealed class FileSender(int openFilesMax) : IDisposable
{
    private const int Piece = 64 << 10;
    private const string ObjectType = "application/octet-stream";

    private readonly SemaphoreSlim _open = new(openFilesMax);
    private readonly SmallObjects _small = new();

    /// <summary>Answers with the file.</summary>
    /// <returns>False when there is no such file; nothing has been answered then.</returns>
    public Task<bool> TrySendAsync(HttpContext context, string file, string contentType, TimeSpan cacheFor)
    {
        ArgumentNullException.ThrowIfNull(context);
        return TrySendAsync(context, file, contentType, cacheFor, keep: false);
    }

    /// <summary>Answers with a file whose name tells its content: as long as it is there it is what it was.</summary>
    /// <returns>False when there is no such file; nothing has been answered then.</returns>
    public async Task<bool> TrySendObjectAsync(HttpContext context, string file, TimeSpan cacheFor)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (_small.Find(file) is not { } kept)
            return await TrySendAsync(context, file, ObjectType, cacheFor, keep: true);
        await SendAsync(context, kept, ObjectType, cacheFor);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _open.Dispose();

    private async Task<bool> TrySendAsync(HttpContext context, string file, string contentType, TimeSpan cacheFor, bool keep)
    {
        CancellationToken ct = context.RequestAborted;
        await _open.WaitAsync(ct);
        try
        {
            using SafeFileHandle? handle = TryOpen(file);
            if (handle is null)
                return false;
            long size = RandomAccess.GetLength(handle);
            if (keep && _small.TryKeep(file, handle, size) is { } bytes)
                await SendAsync(context, bytes, contentType, cacheFor);
            else if (Begin(context, size, contentType, cacheFor) is { Length: > 0 } range)
                await CopyAsync(context.Response, handle, range, ct);
            return true;
        }
        finally
        {
            _open.Release();
        }
    }

    private static SafeFileHandle? TryOpen(string file)
    {
        try
        {
            return File.OpenHandle(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            // A folder of that name is reported as denied access.
            return null;
        }
    }

    private static async Task SendAsync(HttpContext context, ReadOnlyMemory<byte> bytes, string contentType, TimeSpan cacheFor)
    {
        if (Begin(context, bytes.Length, contentType, cacheFor) is { Length: > 0 } range)
            await context.Response.BodyWriter.WriteAsync(bytes.Slice((int)range.Offset, (int)range.Length), context.RequestAborted);
    }

    // Everything but the body, of which the range is told; null when there is none to send.
    private static ByteRange? Begin(HttpContext context, long size, string contentType, TimeSpan cacheFor)
    {
        HttpResponse response = context.Response;
        response.ContentType = contentType;
        response.Headers.AcceptRanges = "bytes";
        CacheFor(response, cacheFor);

        bool head = HttpMethods.IsHead(context.Request.Method);
        // If-Range names a validator, and there are none here: the whole file is the answer that is always right.
        bool ranged = !head && context.Request.Headers.IfRange.Count == 0;
        ByteRange range = ByteRange.Of(ranged ? context.Request.Headers.Range.ToString() : null, size);
        switch (range.Outcome)
        {
            case ByteRangeOutcome.Unsatisfiable:
                response.StatusCode = StatusCodes.Status416RangeNotSatisfiable;
                response.Headers.ContentRange = $"bytes */{size}";
                response.ContentLength = 0;
                return null;
            case ByteRangeOutcome.Part:
                response.StatusCode = StatusCodes.Status206PartialContent;
                response.Headers.ContentRange = $"bytes {range.Offset}-{range.Offset + range.Length - 1}/{size}";
                break;
        }

        response.ContentLength = range.Length;
        return head ? null : range;
    }

    private static async Task CopyAsync(HttpResponse response, SafeFileHandle handle, ByteRange range, CancellationToken ct)
    {
        var writer = response.BodyWriter;
        (long offset, long left) = (range.Offset, range.Length);
        while (left > 0)
        {
            // Waits for the disk here, as opening has: an asynchronous read of a file is the same wait on a thread of this pool, with its queue in
            // between for each piece.
            int asked = (int)Math.Min(left, Piece);
            int read = RandomAccess.Read(handle, writer.GetMemory(asked).Span[..asked], offset);
            if (read == 0)
            {
                // Shorter than announced: only an aborted connection tells the client so.
                response.HttpContext.Abort();
                return;
            }

            writer.Advance(read);
            (offset, left) = (offset + read, left - read);
            var flushed = await writer.FlushAsync(ct);
            if (flushed.IsCompleted)
                return;
        }
    }

    /// <summary>Lets caches keep the answer for a while.</summary>
    public static void CacheFor(HttpResponse response, TimeSpan time)
    {
        ArgumentNullException.ThrowIfNull(response);
        CacheTime.Of(time).Apply(response.Headers, DateTime.UtcNow);
    }
}
