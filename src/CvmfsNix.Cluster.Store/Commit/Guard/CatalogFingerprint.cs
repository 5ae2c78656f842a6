using System.Buffers.Binary;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Trees;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <summary>
/// A sum over every column of every row of a catalog, apart from the row of the directory it is mounted at and its empty marker, whatever the
/// order: the catalog after a removal together with what was removed has that of the catalog before. On the native interface, since all rows of
/// a large repository are read.
/// </summary>
/// <param name="Rows">How many there are.</param>
/// <param name="Sum">Of their digests, modulo 2^128.</param>
internal readonly record struct CatalogFingerprint(long Rows, UInt128 Sum)
{
    private const int CancelEvery = 4096;

    /// <summary>Reads a file that nobody changes meanwhile.</summary>
    public static CatalogFingerprint Of(string file, RepositoryFormat format, CancellationToken cancellationToken)
    {
        using SqliteConnection connection = GuardSql.OpenUnchanging(file);
        return Of(connection, format, cancellationToken);
    }

    /// <summary>Reads the main file of a connection.</summary>
    public static CatalogFingerprint Of(SqliteConnection connection, RepositoryFormat format, CancellationToken cancellationToken)
    {
        string others = $"NOT ({GuardSql.IsRow(format.StoreRoot.Key)}) AND NOT ({GuardSql.IsRow(format.StoreRoot.Combine(TreeRules.Marker).Key)})";
        var sum = default(CatalogFingerprint);
        var row = new RowBytes();
        Read(1, $"SELECT {GuardSql.EntryColumns} FROM main.catalog WHERE {others}");
        Read(2, "SELECT md5path_1, md5path_2, offset, size, hash FROM main.chunks");
        Read(3, "SELECT path, sha1, size FROM main.nested_catalogs");
        return sum;

        void Read(byte table, string sql)
        {
            Require(raw.sqlite3_prepare_v2(connection.Handle, sql, out sqlite3_stmt statement));
            using (statement)
            {
                int columns = raw.sqlite3_column_count(statement);
                int code;
                while ((code = raw.sqlite3_step(statement)) == raw.SQLITE_ROW)
                {
                    if (sum.Rows % CancelEvery == 0)
                        cancellationToken.ThrowIfCancellationRequested();
                    sum += row.Digest(table, statement, columns);
                }

                Require(code == raw.SQLITE_DONE ? raw.SQLITE_OK : code);
            }
        }

        void Require(int code)
        {
            if (code != raw.SQLITE_OK)
                throw new SqliteException(raw.sqlite3_errmsg(connection.Handle).utf8_to_string(), code & 0xFF, code);
        }
    }

    public static CatalogFingerprint operator +(CatalogFingerprint one, CatalogFingerprint other) => new(one.Rows + other.Rows, unchecked(one.Sum + other.Sum));

    // Type and length of each value stand before it, so that no two rows are written alike.
    private sealed class RowBytes
    {
        private byte[] _bytes = new byte[1024];
        private int _length;

        public CatalogFingerprint Digest(byte table, sqlite3_stmt row, int columns)
        {
            _length = 0;
            Span<byte> number = stackalloc byte[sizeof(long)];
            Add(table, []);
            for (int column = 0; column < columns; column++)
            {
                int type = raw.sqlite3_column_type(row, column);
                if (type == raw.SQLITE_INTEGER)
                {
                    BinaryPrimitives.WriteInt64LittleEndian(number, raw.sqlite3_column_int64(row, column));
                    Add((byte)type, number);
                }
                else
                {
                    Add((byte)type, raw.sqlite3_column_blob(row, column));
                }
            }

            Span<byte> digest = stackalloc byte[MD5.HashSizeInBytes];
            MD5.HashData(_bytes.AsSpan(0, _length), digest);
            return new CatalogFingerprint(1, BinaryPrimitives.ReadUInt128LittleEndian(digest));
        }

        private void Add(byte type, ReadOnlySpan<byte> value)
        {
            int after = _length + 1 + sizeof(int) + value.Length;
            if (after > _bytes.Length)
                Array.Resize(ref _bytes, Math.Max(after, _bytes.Length * 2));
            _bytes[_length] = type;
            BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(_length + 1), value.Length);
            value.CopyTo(_bytes.AsSpan(_length + 1 + sizeof(int)));
            _length = after;
        }
    }
}
