using System.Globalization;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Verify.Catalogs;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>What the table <c>properties</c> of a catalog must say.</summary>
internal static class PropertyRules
{
    private const double SchemaMin = 2.4;
    private const double SchemaMax = 2.5;
    private const double SchemaTolerance = 0.001;
    private const long SchemaRevisionMax = 7;

    /// <summary>The values that others need.</summary>
    public sealed record Values(
        long SchemaRevision, string? SchemaFault, ulong? Revision, long LastModified, long? TtlSeconds, ObjectHash? PreviousRevision);

    public static Values Read(Dictionary<string, string> properties, CatalogContext context, Action<string, string> report)
    {
        long schemaRevision = 0;
        string? schemaFault = null;
        string schema = properties.GetValueOrDefault("schema", "1.0");
        if (!double.TryParse(schema, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) || !(number > SchemaMin - SchemaTolerance && number < SchemaMax + SchemaTolerance))
            schemaFault = $"The schema is {Shown.Text(schema)}; this checker knows {SchemaMin} and {SchemaMax}.";
        else if (properties.TryGetValue("schema_revision", out string? text) && (!Whole(text, out schemaRevision) || schemaRevision > SchemaRevisionMax))
            schemaFault = $"The schema revision is {Shown.Text(text)}; this checker knows those up to {SchemaRevisionMax}.";
        if (schemaFault is not null)
            return new Values(0, schemaFault, null, 0, null, null);

        ulong? revision = null;
        if (!properties.TryGetValue("revision", out string? revisionText))
            report(VerifyRules.CatalogProperties, "There is no property revision.");
        else if (ulong.TryParse(revisionText, NumberStyles.None, CultureInfo.InvariantCulture, out ulong parsed))
            revision = parsed;
        else
            report(VerifyRules.CatalogProperties, $"The revision \"{Shown.Text(revisionText)}\" is no number.");

        long lastModified = Optional("last_modified") ?? 0;
        long? ttl = Optional("TTL");
        ObjectHash? previous = null;
        if (properties.TryGetValue("previous_revision", out string? hashText) && hashText.Length > 0)
        {
            // All zero is how stock writers say that there is none.
            if (ObjectHash.TryParse(hashText, out ObjectHash hash))
                previous = hash.IsNull ? null : hash;
            else
                report(VerifyRules.CatalogProperties, $"The previous_revision \"{Shown.Text(hashText)}\" is no hash.");
        }

        string wanted = context.Path.IsRoot ? "" : context.Path.ToString();
        string prefix = properties.GetValueOrDefault("root_prefix", "");
        if (prefix != wanted)
        {
            string found = prefix.Length == 0 ? "There is no root_prefix" : $"The root_prefix is \"{Shown.Text(prefix)}\"";
            report(VerifyRules.RootPrefix, $"{found}, but the catalog is mounted at {context.Path}.");
        }

        return new Values(schemaRevision, null, revision, lastModified, ttl, previous);

        long? Optional(string key)
        {
            if (!properties.TryGetValue(key, out string? value))
                return null;
            // Clients read both into 32 bits.
            if (Whole(value, out long whole) && whole <= int.MaxValue)
                return whole;
            report(VerifyRules.CatalogProperties, $"The property {key} \"{Shown.Text(value)}\" is no number of 31 bits.");
            return null;
        }
    }

    private static bool Whole(string text, out long number) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
