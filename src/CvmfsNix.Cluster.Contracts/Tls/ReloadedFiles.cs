namespace CvmfsNix.Cluster.Contracts.Tls;

/// <summary>
/// Something made of files, made anew when one of them changes; they are looked at whenever it is asked for. Files that make nothing (half of
/// a pair is replaced) leave what there was in force, and the reason is told once. Thread-safe.
/// </summary>
/// <typeparam name="T">What is made.</typeparam>
public sealed class ReloadedFiles<T>
    where T : class
{
    private readonly string[] _files;
    private readonly Func<T> _make;
    private readonly Action<string>? _told;
    private readonly Lock _gate = new();
    private T _current;
    private (DateTime WrittenAt, long Length)[] _seen;

    /// <summary>Makes it for the first time.</summary>
    /// <param name="files">Whose changes count.</param>
    /// <param name="make">Makes it; its exceptions pass the first time.</param>
    /// <param name="told">Takes a sentence when it was made anew, or could not be.</param>
    public ReloadedFiles(IReadOnlyList<string> files, Func<T> make, Action<string>? told)
    {
        ArgumentNullException.ThrowIfNull(files);
        ArgumentNullException.ThrowIfNull(make);
        (_files, _make, _told) = ([.. files], make, told);
        _seen = Look();
        _current = make();
    }

    /// <summary>What the files say.</summary>
    public T Current
    {
        get
        {
            lock (_gate)
            {
                (DateTime, long)[] seen = Look();
                if (!seen.SequenceEqual(_seen))
                {
                    _seen = seen;
                    MakeAnew();
                }

                return _current;
            }
        }
    }

    private void MakeAnew()
    {
        try
        {
            _current = _make();
            _told?.Invoke($"{string.Join(", ", _files)} changed and counts from now on.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or System.Security.Cryptography.CryptographicException)
        {
            _told?.Invoke($"{string.Join(", ", _files)} changed and cannot be used, so what it was before goes on: {e.Message}");
        }
    }

    private (DateTime, long)[] Look() => [.. _files.Select(f => new FileInfo(f)).Select(f => f.Exists ? (f.LastWriteTimeUtc, f.Length) : (default, -1))];
}
