using System.CommandLine;
using System.Data.Common;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Backups;

/// <summary>
/// Where a node of this machine keeps its files and its journal: the same names, defaults and environment as the node's own switches, because these commands read and write
/// there themselves, also when no node runs.
/// </summary>
internal sealed class NodePlace
{
    private const string DataVariable = "CVMFSNIX__DATA";
    private const string JournalVariable = "CVMFSNIX__JOURNAL";
    private const string KeysVariable = "CVMFSNIX__KEYS";
    private const string DefaultData = "./cvmfsnix-data";
    private const string SqliteName = "sqlite";

    private readonly Option<string?> _data = new("--data") { Description = $"The node's data folder [{DataVariable}; default {DefaultData}]", HelpName = "DIR" };

    private readonly Option<string?> _journal = new("--journal")
    {
        Description = $"sqlite, or the node's Npgsql connection string without password (PGPASSWORD, PGPASSFILE, or the whole string in {JournalVariable})",
        HelpName = "JOURNAL",
    };

    private readonly Option<string?> _keys = new("--keys") { Description = $"The node's key folder [{KeysVariable}; default DATA/keys]", HelpName = "DIR" };

    public void AddTo(Command command)
    {
        command.Options.Add(_data);
        command.Options.Add(_journal);
        command.Options.Add(_keys);
    }

    public string Data(ParseResult parse) => Path.GetFullPath(Given(parse, _data, DataVariable) ?? DefaultData);

    public string Keys(ParseResult parse) => Path.GetFullPath(Given(parse, _keys, KeysVariable) ?? Path.Combine(Data(parse), "keys"));

    /// <exception cref="CliException">It is no connection string, or holds a password on the command line.</exception>
    public JournalOptions Journal(ParseResult parse)
    {
        string journal = Given(parse, _journal, JournalVariable) ?? SqliteName;
        if (journal == SqliteName)
            return new JournalOptions.Sqlite(Path.Combine(Data(parse), "journal.db"));
        try
        {
            var parts = new DbConnectionStringBuilder { ConnectionString = journal };
            if (parse.GetValue(_journal) is not null && (parts.ContainsKey("Password") || parts.ContainsKey("pwd")))
                throw CliException.Usage("--journal holds a password others can read.", "--journal", $"use PGPASSWORD, PGPASSFILE, or the whole string in {JournalVariable}");
            if (!parts.ContainsKey("Host") && !parts.ContainsKey("Server"))
                throw CliException.Usage("--journal names no host.", "--journal", "give sqlite, or a connection string such as 'Host=db1;Username=cvmfsnix;Database=cvmfsnix'");
        }
        catch (ArgumentException)
        {
            throw CliException.Usage("--journal is no connection string.", "--journal", "give sqlite, or a connection string such as 'Host=db1;Username=cvmfsnix;Database=cvmfsnix'");
        }

        return new JournalOptions.PostgreSql(journal, Init: true);
    }

    private static string? Given(ParseResult parse, Option<string?> option, string variable) =>
        parse.GetValue(option) ?? (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? set : null);
}
