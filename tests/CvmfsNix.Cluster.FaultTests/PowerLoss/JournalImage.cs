using System.Globalization;
using Google.Protobuf;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>A row of the journal.</summary>
internal sealed record JournalRow(string Persistence, long Sequence, string Manifest, byte[] Message)
{
    public bool IsSame(JournalRow other) =>
        Persistence == other.Persistence && Sequence == other.Sequence && Manifest == other.Manifest && Message.AsSpan().SequenceEqual(other.Message);
}

/// <summary>
/// The SQLite journal of an image, read without a node: SQLite itself recovers the file from its write-ahead log, as it would
/// for a node. The numbers of manifests and fields are those that old journals are read by, so they never change.
/// </summary>
internal static class JournalImage
{
    public const string RepositoryCreated = "rc";
    public const string RevisionCommitted = "rr";
    public const string WhitelistRenewed = "rw";
    public const string TransactionSealed = "ts";

    /// <summary>All rows in the order in which they were written; none where the file or its table was not made yet.</summary>
    /// <exception cref="SqliteException">The file is damaged.</exception>
    public static IReadOnlyList<JournalRow> Read(string file)
    {
        if (!File.Exists(file))
            return [];
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ToString());
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "PRAGMA integrity_check";
        if (command.ExecuteScalar() is not "ok")
            throw new InvalidDataException("SQLite finds the journal damaged.");
        command.CommandText = "SELECT count(*) FROM sqlite_master WHERE name = 'journal'";
        if (Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture) == 0)
            return [];
        command.CommandText = "SELECT persistence_id, sequence_number, manifest, message FROM journal ORDER BY ordering";
        using SqliteDataReader reader = command.ExecuteReader();
        var rows = new List<JournalRow>();
        while (reader.Read())
            rows.Add(new JournalRow(reader.GetString(0), reader.GetInt64(1), reader.GetString(2), reader.GetFieldValue<byte[]>(3)));
        return rows;
    }

    /// <summary>The revision that an event made; null for other events.</summary>
    public static byte[]? Revision(JournalRow row) => row.Manifest switch
    {
        RepositoryCreated => Field(row.Message, 4),
        RevisionCommitted => Field(row.Message, 1),
        _ => null,
    };

    public static byte[] SignedManifest(byte[] revision) => Field(revision, 2);

    /// <summary>The whitelist that an event brought; null for other events.</summary>
    public static byte[]? Whitelist(JournalRow row) => row.Manifest switch
    {
        RepositoryCreated => Field(row.Message, 2),
        WhitelistRenewed => Field(row.Message, 1),
        _ => null,
    };

    /// <summary>Digests of the record files that an event names.</summary>
    public static IEnumerable<string> Blobs(JournalRow row)
    {
        if (Revision(row) is { } revision)
            return [Text(revision, 3), Text(revision, 4)];
        return row.Manifest == TransactionSealed ? [Text(Field(row.Message, 1), 3)] : [];

        static string Text(byte[] message, int field) => System.Text.Encoding.ASCII.GetString(Field(message, field));
    }

    private static byte[] Field(byte[] message, int number)
    {
        var input = new CodedInputStream(message);
        for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (tag == WireFormat.MakeTag(number, WireFormat.WireType.LengthDelimited))
                return input.ReadBytes().ToByteArray();
            input.SkipLastField();
        }

        throw new InvalidDataException($"An event of {message.Length} bytes has no field {number}.");
    }
}
