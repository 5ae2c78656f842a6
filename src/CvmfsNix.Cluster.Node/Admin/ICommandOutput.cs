using System.Text.Json.Nodes;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>Takes the lines of a command, one after the other.</summary>
public interface ICommandOutput
{
    /// <summary>A line for people and the same as JSON.</summary>
    Task LineAsync(string text, JsonObject json);

    /// <summary>A line only people need, as a total.</summary>
    Task NoteAsync(string text);
}
