namespace CvmfsNix.Cluster.Store.Files;

/// <summary>
/// The 256 directories <c>00</c>…<c>ff</c> below one folder, and which of them have names that are not durable yet.
/// <para>
/// A file found by its name need not be durable: another batch may have renamed it a moment ago and not yet fsynced the directory,
/// or a killed process may have left it so. Hence a directory starts out as unsynced and becomes so again with every rename, and
/// whoever relies on a name, found or made, asks for its directory to be synced; a directory without renames since its last fsync
/// costs nothing. Waiters that come while an fsync runs share the next one.
/// </para>
/// </summary>
internal sealed class HashedDirectories
{
    private readonly string[] _paths = new string[256];
    private readonly State[] _states = new State[256];

    /// <summary>Creates what is missing and makes the directories themselves durable: one fsync of <paramref name="root"/>.</summary>
    public HashedDirectories(string root)
    {
        for (int i = 0; i < 256; i++)
        {
            _paths[i] = Path.Combine(root, i.ToString("x2", System.Globalization.CultureInfo.InvariantCulture));
            _states[i] = new State();
            if (!Directory.Exists(_paths[i]))
                Directory.CreateDirectory(_paths[i]);
        }

        DirectorySync.Sync(root);
    }

    /// <summary>Moves a durable temporary file into place. Its name is durable after the next <see cref="SyncAsync"/>.</summary>
    public void Rename(byte directory, string temporary, string path)
    {
        State state = _states[directory];
        // One lock around rename and count: an fsync that started before the rename must not be counted for it. The file may have been written long ago.
        lock (state)
        {
            FileTimes.Touch(temporary);
            File.Move(temporary, path, overwrite: true);
            state.Renames++;
        }
    }

    /// <summary>Gives a file the present time; false when it is not there.</summary>
    public bool Refresh(byte directory, string path)
    {
        lock (_states[directory])
            return FileTimes.Touch(path);
    }

    /// <summary>Deletes a file unless its time is <paramref name="cutoff"/> or later. Whoever refreshes it meanwhile either keeps it or is told that it is not there.</summary>
    /// <returns>Its bytes; null when it stays or was not there.</returns>
    public long? DeleteOlder(byte directory, string path, DateTimeOffset cutoff)
    {
        lock (_states[directory])
        {
            var file = new FileInfo(path);
            if (!file.Exists || file.LastWriteTimeUtc >= cutoff.UtcDateTime)
                return null;
            long size = file.Length;
            file.Delete();
            return size;
        }
    }

    /// <summary>On return every name that was in these directories at the time of the call is durable.</summary>
    /// <exception cref="IOException">Names the directory.</exception>
    public Task SyncAsync(IEnumerable<byte> directories)
    {
        List<Action> syncs = [];
        foreach (byte directory in directories)
        {
            State state = _states[directory];
            string path = _paths[directory];
            long wanted;
            lock (state)
            {
                if (state.Synced == state.Renames)
                    continue;
                wanted = state.Renames;
            }

            syncs.Add(() => Sync(state, path, wanted));
        }

        return syncs.Count == 0 ? Task.CompletedTask : FlushThreads.RunAllAsync(syncs);
    }

    private static void Sync(State state, string path, long wanted)
    {
        lock (state.Gate)
        {
            long covered;
            lock (state)
            {
                if (state.Synced >= wanted)
                    return;
                covered = state.Renames;
            }

            // Where this fails the directory stays unsynced, and whoever needs it next tries again: at stake is the file system's own
            // journal, which stops the file system when it cannot be written. File contents, whose pages a failed fsync may silently
            // drop, are never retried: their batch is thrown away.
            DirectorySync.Sync(path);
            lock (state)
            {
                state.Synced = Math.Max(state.Synced, covered);
            }
        }
    }

    private sealed class State
    {
        public Lock Gate { get; } = new();

        // 1 ahead of Synced from the start: what an earlier process left is not known to be durable.
        public long Renames { get; set; } = 1;

        public long Synced { get; set; }
    }
}
