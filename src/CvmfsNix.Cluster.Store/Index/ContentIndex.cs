using System.Buffers.Binary;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Trees;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.Index;

/// <summary>
/// Plaintext SHA-256 → where the content lies, for committed files only: what lets a builder skip compressing and sending what the
/// repository has. One table of the repository's index file; a projection that can be rebuilt from the record files.
/// </summary>
/// <param name="connectionString">Of the index file. Every call opens a (pooled) connection of its own: thread-safe.</param>
/// <param name="algorithm">The digest that names the repository's objects.</param>
public sealed class ContentIndex(string connectionString, HashAlgorithmId algorithm)
{
    /// <summary>
    /// The table. <c>hash</c> is the whole-file object, or NULL for a chunked file, whose <c>chunks</c> are then
    /// records of offset (8 bytes), size (8 bytes), both little-endian, and hash (20 bytes).
    /// </summary>
    public const string Schema =
        """
        CREATE TABLE IF NOT EXISTS content (
          digest BLOB PRIMARY KEY,
          size INTEGER NOT NULL,
          compression INTEGER NOT NULL,
          hash BLOB,
          chunks BLOB
        ) WITHOUT ROWID;
        """;

    private const int ChunkRecordSize = 8 + 8 + ObjectHash.Size;

    /// <summary>Answers in the order asked; null for contents the repository does not have.</summary>
    public IReadOnlyList<StoredContent?> Find(IReadOnlyList<ContentDigest> digests)
    {
        var found = new StoredContent?[digests.Count];
        if (found.Length == 0)
            return found;
        using var connection = new SqliteConnection(connectionString);
        connection.Open();
        using SqliteTransaction snapshot = connection.BeginTransaction(deferred: true);
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = snapshot;
        command.CommandText = "SELECT size, compression, hash, chunks FROM content WHERE digest = $digest";
        SqliteParameter digest = command.Parameters.Add("$digest", SqliteType.Blob);
        command.Prepare();
        for (int i = 0; i < found.Length; i++)
        {
            digest.Value = digests[i].ToArray();
            using SqliteDataReader row = command.ExecuteReader();
            if (row.Read())
                found[i] = Read(row);
        }

        return found;
    }

    /// <summary>Adds a content inside the caller's transaction; the first one of a digest stays.</summary>
    public static void Insert(SqliteConnection connection, SqliteTransaction? transaction, ContentDigest digest, StoredContent content)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "INSERT OR IGNORE INTO content (digest, size, compression, hash, chunks) VALUES ($digest, $size, $compression, $hash, $chunks)";
        command.Parameters.Add("$digest", SqliteType.Blob).Value = digest.ToArray();
        command.Parameters.Add("$size", SqliteType.Integer).Value = content.Size;
        command.Parameters.Add("$compression", SqliteType.Integer).Value = (int)content.Compression;
        command.Parameters.Add("$hash", SqliteType.Blob).Value = content.Hash is { } hash ? hash.ToArray() : DBNull.Value;
        command.Parameters.Add("$chunks", SqliteType.Blob).Value = content.Chunks.Count > 0 ? Encode(content.Chunks) : DBNull.Value;
        command.ExecuteNonQuery();
    }

    /// <summary>Removes a content whose objects were collected.</summary>
    public static void Remove(SqliteConnection connection, SqliteTransaction? transaction, ContentDigest digest)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "DELETE FROM content WHERE digest = $digest";
        command.Parameters.Add("$digest", SqliteType.Blob).Value = digest.ToArray();
        command.ExecuteNonQuery();
    }

    /// <summary>Every content with each object it lies in, read as it is enumerated.</summary>
    internal IEnumerable<(ContentDigest Digest, ObjectName Object)> Objects(SqliteConnection connection)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT size, compression, hash, chunks, digest FROM content";
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
        {
            var digest = new ContentDigest(row.GetFieldValue<byte[]>(4));
            foreach (ObjectName name in PathObjects.Of(Read(row)))
                yield return (digest, name);
        }
    }

    private StoredContent Read(SqliteDataReader row) => new(
        row.GetInt64(0),
        (CompressionAlgorithm)row.GetInt32(1),
        row.IsDBNull(2) ? null : new ObjectHash(algorithm, row.GetFieldValue<byte[]>(2)),
        row.IsDBNull(3) ? [] : Decode(row.GetFieldValue<byte[]>(3)));

    private static byte[] Encode(IReadOnlyList<StoredChunk> chunks)
    {
        var bytes = new byte[chunks.Count * ChunkRecordSize];
        Span<byte> rest = bytes;
        foreach (StoredChunk chunk in chunks)
        {
            BinaryPrimitives.WriteInt64LittleEndian(rest, chunk.Offset);
            BinaryPrimitives.WriteInt64LittleEndian(rest[8..], chunk.Size);
            chunk.Hash.CopyTo(rest[16..]);
            rest = rest[ChunkRecordSize..];
        }

        return bytes;
    }

    private StoredChunk[] Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length % ChunkRecordSize != 0)
            throw new InvalidDataException("The content index is damaged: a list of chunks has an odd length. Stop the node and delete index.db; it is rebuilt.");
        var chunks = new StoredChunk[bytes.Length / ChunkRecordSize];
        for (int i = 0; i < chunks.Length; i++, bytes = bytes[ChunkRecordSize..])
        {
            chunks[i] = new StoredChunk(
                BinaryPrimitives.ReadInt64LittleEndian(bytes),
                BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
                new ObjectHash(algorithm, bytes.Slice(16, ObjectHash.Size)));
        }

        return chunks;
    }
}
