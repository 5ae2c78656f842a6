namespace CvmfsNix.Cluster.Cvmfs.Objects;

/// <summary>What an object is; the value is the suffix letter of its name, 0 for none. The letter is no part of the hash text kept in catalogs and manifests.</summary>
public enum ObjectKind : byte
{
    /// <summary>Content of a whole file.</summary>
    Data = 0,

    /// <summary>Piece of a chunked file.</summary>
    Chunk = (byte)'P',

    /// <summary>File catalog (SQLite), always compressed.</summary>
    Catalog = (byte)'C',

    /// <summary>Tag database (SQLite), always compressed.</summary>
    History = (byte)'H',

    /// <summary>Signing certificate (PEM), compressed with classic zlib level 6.</summary>
    Certificate = (byte)'X',

    /// <summary>Repository metainfo (JSON), compressed with classic zlib level 6.</summary>
    MetaInfo = (byte)'M',
}
