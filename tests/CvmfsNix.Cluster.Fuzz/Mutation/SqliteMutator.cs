using System.Buffers.Binary;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Fuzz.Mutation;

/// <summary>
/// Changes SQLite files on three levels: bytes; pages, so that trees point where they must not; and rows and tables by SQL, so that a
/// sound file says what it must not.
/// </summary>
internal static class SqliteMutator
{
    private const int HeaderBytes = 100;
    private const int StepsMax = 200_000;

    /// <summary>A changed copy.</summary>
    /// <param name="input">A SQLite file, more or less.</param>
    /// <param name="mutator">Changes bytes.</param>
    /// <param name="scratch">A file to work in.</param>
    /// <param name="lengthMax">Longest result.</param>
    public static byte[] Mutate(byte[] input, Mutator mutator, string scratch, int lengthMax)
    {
        byte[] result = mutator.Random.Next(10) switch
        {
            < 2 => mutator.Mutate(input),
            < 4 => Bytes(input, mutator),
            < 6 => Pages(input, mutator),
            _ => Rows(input, mutator, scratch),
        };
        return result.Length <= lengthMax ? result : result[..lengthMax];
    }

    // In place: everything after an inserted byte would be on the wrong page, which only ever shows the same complaint.
    private static byte[] Bytes(byte[] input, Mutator mutator)
    {
        byte[] bytes = [.. input];
        for (int i = mutator.Random.Next(12); i >= 0 && bytes.Length > 0; i--)
            bytes[mutator.Random.Next(bytes.Length)] = (byte)mutator.Boundary();
        return bytes;
    }

    private static byte[] Pages(byte[] input, Mutator mutator)
    {
        Random random = mutator.Random;
        byte[] bytes = [.. input];
        int size = input.Length < HeaderBytes ? 0 : BinaryPrimitives.ReadUInt16BigEndian(input.AsSpan(16));
        if (size < 512 || bytes.Length < 2 * size)
            return mutator.Mutate(input);
        int count = bytes.Length / size;
        for (int i = random.Next(4); i >= 0; i--)
        {
            int from = random.Next(count), to = random.Next(1, count);
            Span<byte> page = bytes.AsSpan(to * size, size);
            switch (random.Next(5))
            {
                case 0: // one page in the place of another
                    bytes.AsSpan(from * size, size).CopyTo(page);
                    break;
                case 1: // an inner page of a table or an index that leads to pages at will
                    page.Clear();
                    page[0] = (byte)(random.Next(2) == 0 ? 5 : 2);
                    int cells = 1 + random.Next(40);
                    BinaryPrimitives.WriteUInt16BigEndian(page[3..], (ushort)cells);
                    BinaryPrimitives.WriteUInt32BigEndian(page[8..], (uint)(1 + random.Next(count)));
                    int content = size;
                    for (int cell = 0; cell < cells && content > 14 + (2 * cells); cell++)
                    {
                        content -= 6;
                        BinaryPrimitives.WriteUInt32BigEndian(page[content..], (uint)(1 + random.Next(count)));
                        page[content + 4] = (byte)(cell + 1);
                        BinaryPrimitives.WriteUInt16BigEndian(page[(12 + (2 * cell))..], (ushort)content);
                    }

                    BinaryPrimitives.WriteUInt16BigEndian(page[5..], (ushort)content);
                    break;
                case 2: // the cells of a page in another order, or one many times
                    int cellsHere = BinaryPrimitives.ReadUInt16BigEndian(page[3..]);
                    int start = page[0] is 2 or 5 ? 12 : 8;
                    if (cellsHere < 2 || start + (2 * cellsHere) > size)
                        break;
                    page.Slice(start + (2 * random.Next(cellsHere)), 2).CopyTo(page[(start + (2 * random.Next(cellsHere)))..]);
                    break;
                case 3: // another number of cells
                    BinaryPrimitives.WriteUInt16BigEndian(page[3..], (ushort)mutator.Boundary());
                    break;
                default: // any number anywhere
                    BinaryPrimitives.WriteUInt32BigEndian(page[random.Next(size - 4)..], (uint)(random.Next(2) == 0 ? random.Next(count + 2) : mutator.Boundary()));
                    break;
            }
        }

        return bytes;
    }

    private static byte[] Rows(byte[] input, Mutator mutator, string scratch)
    {
        File.WriteAllBytes(scratch, input);
        try
        {
            using (var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = scratch, Pooling = false, DefaultTimeout = 1 }.ToString()))
            {
                connection.Open();

                // Some of the changes make tables that never end; the changes after them must not try to read those.
                SQLitePCL.raw.sqlite3_progress_handler(connection.Handle, StepsMax, _ => 1, null);
                _ = SQLitePCL.raw.sqlite3_limit(connection.Handle, SQLitePCL.raw.SQLITE_LIMIT_LENGTH, 1 << 24);
                Execute(connection, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;");
                for (int i = mutator.Random.Next(4); i >= 0; i--)
                    Execute(connection, Statement(connection, mutator));
            }

            return File.ReadAllBytes(scratch);
        }
        finally
        {
            File.Delete(scratch);
        }
    }

    private static string Statement(SqliteConnection connection, Mutator mutator)
    {
        Random random = mutator.Random;
        string table = Pick(random, Names(connection, "SELECT name FROM sqlite_master WHERE type='table'")) ?? "catalog";
        string column = Pick(random, Names(connection, $"SELECT name FROM pragma_table_info('{table}')")) ?? "name";
        string row = $"rowid=(SELECT rowid FROM \"{table}\" LIMIT 1 OFFSET {random.Next(40)})";
        return random.Next(16) switch
        {
            0 => $"DELETE FROM \"{table}\" WHERE {row}",
            1 => $"INSERT OR REPLACE INTO \"{table}\" SELECT * FROM \"{table}\" LIMIT {random.Next(5)}",
            2 => $"UPDATE OR REPLACE \"{table}\" SET \"{column}\"=(SELECT \"{column}\" FROM \"{table}\" LIMIT 1 OFFSET {random.Next(40)}) WHERE {row}",
            3 => $"ALTER TABLE \"{table}\" RENAME COLUMN \"{column}\" TO \"{column}x\"",
            4 => $"ALTER TABLE \"{table}\" ADD COLUMN extra AS (zeroblob(100000000))",
            5 => $"DROP TABLE \"{table}\"",
            6 => $"CREATE VIEW v{random.Next(9)} AS SELECT * FROM \"{table}\"",
            7 => $"PRAGMA writable_schema=ON; UPDATE sqlite_master SET rootpage={random.Next(20)} WHERE name='{table}'",
            8 => $"PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql=replace(sql, '{column} ', '{column} AS (hex(zeroblob(100000000))), y ') WHERE name='{table}'",
            9 => $"ALTER TABLE \"{table}\" RENAME TO old; CREATE VIEW \"{table}\" AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT old.* FROM old, c",
            10 => $"ALTER TABLE \"{table}\" RENAME TO old2; CREATE TABLE \"{table}\" AS SELECT * FROM old2",
            11 => $"UPDATE OR REPLACE \"{table}\" SET \"{column}\"={Value(mutator)}",
            _ => $"UPDATE OR REPLACE \"{table}\" SET \"{column}\"={Value(mutator)} WHERE {row}",
        };
    }

    private static string Value(Mutator mutator) => mutator.Random.Next(12) switch
    {
        0 => "NULL",
        1 => "''",
        2 => "x''",
        3 => "randomblob(20)",
        4 => "'text'",
        5 => "x'ff00fe'",
        6 => "1e300",
        7 => $"printf('%.*c', {mutator.Random.Next(20000)}, 'x')",
        8 => "'..'",
        9 => "'a/b'",
        _ => mutator.Boundary().ToString(System.Globalization.CultureInfo.InvariantCulture),
    };

    private static List<string> Names(SqliteConnection connection, string sql)
    {
        List<string> names = [];
        try
        {
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = sql;
            using SqliteDataReader reader = command.ExecuteReader();
            while (reader.Read() && names.Count < 50)
                names.Add(reader.GetString(0).Replace("\"", "", StringComparison.Ordinal).Replace("'", "", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is SqliteException or InvalidOperationException)
        {
            // The file was broken before; the names found so far do.
        }

        return names;
    }

    private static string? Pick(Random random, List<string> names) => names.Count == 0 ? null : names[random.Next(names.Count)];

    private static void Execute(SqliteConnection connection, string sql)
    {
        try
        {
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = sql;
            command.ExecuteNonQuery();
        }
        catch (SqliteException)
        {
            // Not every change fits every table.
        }
    }
}
