namespace CvmfsNix.Cluster.Node.Options;

/// <summary>Every setting the node knows, in the order of the help text.</summary>
public static class NodeSwitches
{
    public static readonly NodeSwitch Config = new("config", "FILE.json", null, "settings file; a switch beats the environment beats the file");
    public static readonly NodeSwitch Roles = new("roles", "ROLES", "core,stratum0", "core,stratum0 or stratum1");
    public static readonly NodeSwitch Data = new("data", "DIR", "./cvmfsnix-data", "data folder, used by one process at a time");
    public static readonly NodeSwitch Keys = new("keys", "DIR", "DATA/keys", "key folder; all core nodes of a cluster see the same content");
    public static readonly NodeSwitch Http = new("http", "HOST:PORT", "127.0.0.1:8000", "data port (port 0: any free one)");
    public static readonly NodeSwitch Grpc = new("grpc", "HOST:PORT", "127.0.0.1:9110", "control port");
    public static readonly NodeSwitch Management = new("management", "HOST:PORT", "127.0.0.1:8558", "management port");
    public static readonly NodeSwitch Remoting = new("remoting", "HOST:PORT", "127.0.0.1:8110", "cluster port, on a private network only");
    public static readonly NodeSwitch PublicHost = new("public-host", "NAME", null, "how others reach this node when it is bound to 0.0.0.0");
    public static readonly NodeSwitch Journal = new("journal", "sqlite|CONNECTION", "sqlite", "journal: sqlite, or an Npgsql connection string without password");
    public static readonly NodeSwitch JournalInit = new("journal-init", null, null, "create or upgrade the journal's schema first");
    public static readonly NodeSwitch AllowUnsafeJournal = new("allow-unsafe-journal", null, null, "only warn of PostgreSQL settings that can lose acknowledged publishes");
    public static readonly NodeSwitch Seed = new("seed", "H:P,…", null, "remoting addresses of the core nodes, or one name with all their addresses; none: a cluster of one");
    public static readonly NodeSwitch Timing = new("timing", "lan|wan", "lan", "how soon a silent node counts as lost: lan within a datacenter, wan between sites 20 to 50 ms apart");
    public static readonly NodeSwitch Copies = new("copies", "W", "1 alone, 2 with --seed", "stores an object must be on before a builder is answered");
    public static readonly NodeSwitch GcGrace = new("gc-grace", "TIME", "24h", "how long removed paths can be had back and objects that nothing needs are kept, as 90s, 15m, 12h or 30d");
    public static readonly NodeSwitch ArchiveKeep = new("archive-keep", "TIME", "7d", "how long applied events stay beside the objects: so old may a journal's backup be that repo recover mends without loss");
    public static readonly NodeSwitch CatalogRate = new("catalog-rate", "SIZE", "64M", "bytes of catalogs a second that the commits of a repository store at most in the long run, as 500K, 64M or 1G; 0: no limit");
    public static readonly NodeSwitch Site = new("site", "NAME", "default", "datacenter of this node");
    public static readonly NodeSwitch Core = new("core", "URL,…", null, "stratum1: core nodes to mirror from");
    public static readonly NodeSwitch ReplicaId = new("replica-id", "ID", null, "stratum1: identity; made once in DATA when not given");
    public static readonly NodeSwitch Repo = new("repo", "FQRN,…", null, "stratum1: repositories to mirror; none: all");
    public static readonly NodeSwitch Sibling = new("sibling", "URL,…", null, "stratum1: mirrors of the same site to fetch from");
    public static readonly NodeSwitch Follow = new("follow", "URL", null, "stratum1 of a stock server; needs --pubkey");
    public static readonly NodeSwitch Pubkey = new("pubkey", "FILE", null, "public key of the stock server's repository");
    public static readonly NodeSwitch Geo = new("geo", "NAME=LAT:LON,…", null, "where hosts and networks are, for clients that ask for their nearest server, as s1.example.org=46.2:6.1,10.1.0.0/16=51.5:-0.1");
    public static readonly NodeSwitch TokenFile = new("token-file", "FILE", null, "tokens, one a line, with scopes behind them or none for everything: every call and upload must carry one; stratum1: the first is its own");
    public static readonly NodeSwitch RequireTokens = new("require-tokens", null, null, "ask for tokens without a token file: those made with cvmfsnix token create, and KEYS/admin.token");
    public static readonly NodeSwitch ManagementOpen = new("management-open", null, null, "let everybody who reaches the management port look, also where tokens are asked for");
    public static readonly NodeSwitch OidcIssuer = new("oidc-issuer", "URL", null, "OpenID Connect issuer whose tokens are good, too; asks for tokens, as --require-tokens does");
    public static readonly NodeSwitch OidcAudience = new("oidc-audience", "NAME", null, "what its tokens have to be made for");
    public static readonly NodeSwitch OidcJwks = new("oidc-jwks", "FILE", "asked of the issuer", "its keys, a JSON Web Key Set, read again when it changes");
    public static readonly NodeSwitch OidcRules = new("oidc-rules", "FILE", "the claim scope", "which claims allow what, lines of CLAIM=VALUE… -> SCOPE…, read again when it changes");
    public static readonly NodeSwitch TlsCert = new("tls-cert", "FILE", null, "certificate and its chain, PEM, read again when it changes; the ports of --tls-ports speak TLS");
    public static readonly NodeSwitch TlsKey = new("tls-key", "FILE", "the file of --tls-cert", "its private key, PEM");
    public static readonly NodeSwitch TlsPorts = new("tls-ports", "PORT,…", "data,control,management", "which ports speak TLS");
    public static readonly NodeSwitch TlsClientCa = new("tls-client-ca", "FILE", null, "authorities of callers, PEM: the ports of --tls-client-ports ask for a certificate by one of them");
    public static readonly NodeSwitch TlsClientPorts = new("tls-client-ports", "PORT,…", "control", "which ports ask callers for a certificate");
    public static readonly NodeSwitch TlsCa = new("tls-ca", "FILE", "those of the machine", "authorities of the nodes this one calls, PEM");
    public static readonly NodeSwitch Insecure = new("insecure", null, null, "bind to more than loopback without tokens");
    public static readonly NodeSwitch LogLevel = new("log-level", "LEVEL", "information", "trace, debug, information, warning or error");

    public static readonly NodeSwitch LogFormat = new("log-format", "text|json", "text", "lines for people, or one JSON document a line");
    public static readonly NodeSwitch ManagementWrites = new("management-writes", null, null, "take changes of the membership on the management port too");

    /// <summary>All of them.</summary>
    public static readonly IReadOnlyList<NodeSwitch> All =
    [
        Config, Roles, Data, Keys, Http, Grpc, Management, Remoting, PublicHost, Journal, JournalInit, AllowUnsafeJournal,
        Seed, Timing, Copies, GcGrace, ArchiveKeep, CatalogRate, Site,
        Core, ReplicaId, Repo, Sibling, Follow, Pubkey, Geo, TokenFile, RequireTokens, ManagementOpen, OidcIssuer, OidcAudience, OidcJwks, OidcRules, TlsCert, TlsKey, TlsPorts, TlsClientCa, TlsClientPorts, TlsCa, Insecure, LogLevel, LogFormat, ManagementWrites,
    ];

    /// <summary>The settings only a stratum1 has.</summary>
    public static readonly IReadOnlyList<NodeSwitch> OfStratum1Only = [Core, ReplicaId, Repo, Sibling, Follow, Pubkey];

    /// <summary>The settings a stratum1 has no use for: said on its command line or in its file, they are a mistake.</summary>
    public static readonly IReadOnlyList<NodeSwitch> OfCoreOnly = [Journal, JournalInit, AllowUnsafeJournal, Seed, Timing, Copies, CatalogRate, ManagementWrites, RequireTokens, OidcIssuer, OidcAudience, OidcJwks, OidcRules];

    private static readonly Dictionary<string, NodeSwitch> ByKey = All.ToDictionary(s => s.Key, StringComparer.Ordinal);

    /// <summary>Finds a setting by its name in any of its spellings; null when there is none.</summary>
    public static NodeSwitch? Find(string name) => ByKey.GetValueOrDefault(NodeSwitch.Fold(name));
}
