namespace CvmfsNix.Cluster.Store.NixDatabases;

/// <summary>The database of a Nix store, as Nix 2.8 and newer expect it: schema 10.</summary>
internal static class NixDatabaseSchema
{
    /// <summary>Content of the file <c>schema</c> beside the database.</summary>
    public const string Version = "10";

    /// <summary>Bytes of a page.</summary>
    public const int PageSize = 4096;

    public const string Tables =
        """
        CREATE TABLE ValidPaths (
          id integer PRIMARY KEY AUTOINCREMENT NOT NULL,
          path text UNIQUE NOT NULL,
          hash text NOT NULL,
          registrationTime integer NOT NULL,
          deriver text,
          narSize integer,
          ultimate integer,
          sigs text,
          ca text
        );
        CREATE TABLE Refs (
          referrer integer NOT NULL,
          reference integer NOT NULL,
          PRIMARY KEY (referrer, reference),
          FOREIGN KEY (referrer) REFERENCES ValidPaths(id) ON DELETE CASCADE,
          FOREIGN KEY (reference) REFERENCES ValidPaths(id) ON DELETE RESTRICT
        );
        CREATE INDEX IndexReferrer ON Refs(referrer);
        CREATE INDEX IndexReference ON Refs(reference);
        CREATE TRIGGER DeleteSelfRefs BEFORE DELETE ON ValidPaths
          BEGIN
            DELETE FROM Refs WHERE referrer = old.id AND reference = old.id;
          END;
        CREATE TABLE DerivationOutputs (
          drv integer NOT NULL,
          id text NOT NULL,
          path text NOT NULL,
          PRIMARY KEY (drv, id),
          FOREIGN KEY (drv) REFERENCES ValidPaths(id) ON DELETE CASCADE
        );
        CREATE INDEX IndexDerivationOutputs ON DerivationOutputs(path);
        """;
}
