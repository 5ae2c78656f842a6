using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>
/// An item that is asked for. As text it is the item's name, and behind a blank the name of an object that the asker has:
/// the answer may then be a patch of that one.
/// </summary>
/// <param name="Item">What is wanted.</param>
/// <param name="Base">An earlier version of it that the asker has; null = all of it must be sent.</param>
public readonly record struct WantedItem(StoreItem Item, ObjectName? Base = null)
{
    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static bool TryParse(string text, out WantedItem wanted)
    {
        ArgumentNullException.ThrowIfNull(text);
        wanted = default;
        int blank = text.IndexOf(' ', StringComparison.Ordinal);
        if (!StoreItem.TryParse(blank < 0 ? text : text[..blank], out StoreItem item))
            return false;
        ObjectName? baseName = null;
        if (blank >= 0)
        {
            if (item.Blob is not null || !ObjectName.TryParse(text.AsSpan(blank + 1), out ObjectName name))
                return false;
            baseName = name;
        }

        wanted = new WantedItem(item, baseName);
        return true;
    }

    public override string ToString() => Base is { } name ? $"{Item} {name}" : Item.ToString();
}
