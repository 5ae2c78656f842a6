using System.Collections;
using System.Text.Json;

namespace CvmfsNix.Cluster.Node.Options;

/// <summary>A value as it was written, and where.</summary>
/// <param name="Value">The text; lists are joined by commas, flags are <c>true</c> or <c>false</c>.</param>
/// <param name="Origin">As an error message names it, e.g. <c>--http</c> or <c>"http" in node.json</c>.</param>
/// <param name="Visible">True when others can read the value: it stands on the command line or in a settings file.</param>
public readonly record struct RawSetting(string Value, string Origin, bool Visible);

/// <summary>
/// Gathers what switches, environment and settings file say, in this order of strength, without interpreting the values.
/// Mistakes are collected, so that all can be told at once.
/// </summary>
public sealed class RawSettings
{
    private const int FileSizeMax = 1 << 20;
    private static readonly JsonDocumentOptions FileFormat = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 8 };
    private readonly Dictionary<NodeSwitch, RawSetting> _values = [];
    private readonly List<string> _mistakes;

    private RawSettings(List<string> mistakes) => _mistakes = mistakes;

    /// <summary>The strongest value of a setting; null when nobody gave one.</summary>
    public RawSetting? this[NodeSwitch setting] => _values.TryGetValue(setting, out RawSetting value) ? value : null;

    /// <summary>Reads all three sources.</summary>
    /// <param name="arguments">The command line without the program's name.</param>
    /// <param name="environment">Names and values of the environment.</param>
    /// <param name="mistakes">What is wrong is added here, one sentence each.</param>
    public static RawSettings Gather(IReadOnlyList<string> arguments, IDictionary environment, List<string> mistakes)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(environment);
        ArgumentNullException.ThrowIfNull(mistakes);
        var settings = new RawSettings(mistakes);
        settings.TakeArguments(arguments);
        settings.TakeEnvironment(environment);
        if (settings[NodeSwitches.Config] is { } file)
            settings.TakeFile(file.Value);
        return settings;
    }

    private void TakeArguments(IReadOnlyList<string> arguments)
    {
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (!argument.StartsWith("--", StringComparison.Ordinal))
            {
                _mistakes.Add($"\"{argument}\" is not expected here: settings start with --.");
                continue;
            }

            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? argument[2..] : argument[2..equals];
            string? value = equals < 0 ? null : argument[(equals + 1)..];
            NodeSwitch? setting = NodeSwitches.All.FirstOrDefault(s => s.Name == name);
            if (setting is null)
            {
                _mistakes.Add(Unknown($"--{name}", name, s => "--" + s.Name));
                // A value that belongs to it would only be reported a second time.
                if (value is null && i + 1 < arguments.Count && !arguments[i + 1].StartsWith("--", StringComparison.Ordinal))
                    i++;
                continue;
            }

            if (value is null && setting.IsFlag)
                value = "true";
            else if (value is null && i + 1 < arguments.Count && !arguments[i + 1].StartsWith("--", StringComparison.Ordinal))
                value = arguments[++i];

            if (value is null)
                _mistakes.Add($"--{name} needs a value: --{name} {setting.Placeholder}.");
            else if (!_values.TryAdd(setting, new RawSetting(value, "--" + name, Visible: true)))
                _mistakes.Add($"--{name} is given more than once.");
        }
    }

    private void TakeEnvironment(IDictionary environment)
    {
        var entries = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in environment)
        {
            string name = (string)entry.Key;
            if (name.StartsWith(NodeSwitch.EnvironmentPrefix, StringComparison.Ordinal))
                entries[name] = (string?)entry.Value ?? "";
        }

        foreach ((string name, string value) in entries)
        {
            NodeSwitch? setting = NodeSwitches.All.FirstOrDefault(s => s.EnvironmentVariable == name);
            if (setting is null)
                _mistakes.Add(Unknown($"the environment variable {name}", name[NodeSwitch.EnvironmentPrefix.Length..], s => s.EnvironmentVariable));
            else if (value.Length > 0) // set to nothing is how a unit file or a container says "not set"
                _values.TryAdd(setting, new RawSetting(value, name, Visible: false));
        }
    }

    private void TakeFile(string path)
    {
        try
        {
            var info = new FileInfo(path);
            if (!info.Exists)
            {
                _mistakes.Add($"the settings file {path} does not exist.");
                return;
            }

            if (info.Length > FileSizeMax)
            {
                _mistakes.Add($"the settings file {path} has {info.Length} bytes; a settings file has at most {FileSizeMax}.");
                return;
            }

            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path), FileFormat);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                _mistakes.Add($"the settings file {path} must hold one JSON object.");
                return;
            }

            TakeObject(path, document.RootElement);
        }
        catch (JsonException e)
        {
            _mistakes.Add($"the settings file {path} is not JSON: line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            _mistakes.Add($"the settings file {path} cannot be read: {e.Message}");
        }
    }

    private void TakeObject(string path, JsonElement root)
    {
        var seen = new HashSet<NodeSwitch>();
        foreach (JsonProperty property in root.EnumerateObject())
        {
            string origin = $"\"{property.Name}\" in {path}";
            NodeSwitch? setting = NodeSwitches.Find(property.Name);
            if (setting is null)
                _mistakes.Add(Unknown(origin, property.Name, s => $"\"{s.Name}\""));
            else if (setting == NodeSwitches.Config)
                _mistakes.Add($"{origin}: a settings file cannot name another one.");
            else if (!seen.Add(setting))
                _mistakes.Add($"{origin} is given more than once.");
            else if (Text(property.Value) is not { } value)
                _mistakes.Add($"{origin} must be a text, a whole number, true or false, or a list of texts.");
            else
                _values.TryAdd(setting, new RawSetting(value, origin, Visible: true));
        }
    }

    private static string? Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Array when value.EnumerateArray().All(e => e.ValueKind == JsonValueKind.String) =>
            string.Join(',', value.EnumerateArray().Select(e => e.GetString())),
        _ => null,
    };

    private static string Unknown(string origin, string name, Func<NodeSwitch, string> spell)
    {
        string? nearest = NearestName.Of(NodeSwitch.Fold(name), NodeSwitches.All.Select(s => s.Key));
        return nearest is null
            ? $"{origin} is not known; see --help."
            : $"{origin} is not known; did you mean {spell(NodeSwitches.Find(nearest)!)}?";
    }
}
