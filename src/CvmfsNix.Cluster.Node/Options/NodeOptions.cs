using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Node.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Options;

/// <summary>Where the node keeps its files.</summary>
/// <param name="Data">Everything but the keys; absolute.</param>
/// <param name="Keys">Signing keys of the repositories; absolute.</param>
public sealed record FolderOptions(string Data, string Keys);

/// <summary>The ports.</summary>
/// <param name="Http">Data: repositories and uploads.</param>
/// <param name="Grpc">Control: builders and operators.</param>
/// <param name="Management">Health and status.</param>
/// <param name="Remoting">The cluster's own.</param>
/// <param name="PublicHost">How others reach this node; null when the bound hosts say it.</param>
public sealed record PortOptions(BindAddress Http, BindAddress Grpc, BindAddress Management, BindAddress Remoting, string? PublicHost);

/// <summary>The journal of events.</summary>
/// <param name="ConnectionString">PostgreSQL; null for the SQLite file in the data folder. May hold a password: never logged.</param>
/// <param name="Init">Create or upgrade the schema first.</param>
/// <param name="AllowUnsafe">Only warn of settings that can lose an acknowledged publish.</param>
public sealed record JournalChoice(string? ConnectionString, bool Init, bool AllowUnsafe = false)
{
    /// <inheritdoc/>
    public override string ToString() => ConnectionString is null ? "sqlite" : "postgresql";
}

/// <summary>The cluster this node belongs to.</summary>
/// <param name="Roles">Of this node.</param>
/// <param name="Seeds">Remoting addresses <c>host:port</c>; empty for a cluster of one.</param>
/// <param name="Copies">Stores an object must be on before a builder is answered; at least 1.</param>
/// <param name="Site">Datacenter of this node.</param>
/// <param name="Timing">How soon a silent node counts as lost.</param>
public sealed record MembershipOptions(IReadOnlyList<string> Roles, IReadOnlyList<string> Seeds, int Copies, string Site, ClusterTiming Timing = ClusterTiming.Lan);

/// <summary>What a stratum1 mirrors.</summary>
/// <param name="Cores">Control ports of core nodes; empty when it follows a stock server.</param>
/// <param name="ReplicaId">Its identity; null: one made once in the data folder.</param>
/// <param name="Repositories">What it mirrors; empty: all.</param>
/// <param name="Siblings">Data ports of other mirrors of the site.</param>
/// <param name="Stock">The stock server it follows; null when it follows a cluster.</param>
/// <param name="ControlPort">Whether a control port was asked for.</param>
public sealed record MirrorChoice(
    IReadOnlyList<Uri> Cores, string? ReplicaId, IReadOnlyList<string> Repositories, IReadOnlyList<Uri> Siblings, StockSource? Stock, bool ControlPort);

/// <summary>A repository on a stock server.</summary>
/// <param name="Repository">Fully qualified name.</param>
/// <param name="Urls">Where it is served, as <c>http://host/cvmfs/FQRN</c>, in the order to try them.</param>
/// <param name="PublicKeyFile">Its public master keys, PEM; absolute.</param>
public sealed record StockSource(string Repository, IReadOnlyList<Uri> Urls, string PublicKeyFile);

/// <summary>Where a host or network is.</summary>
/// <param name="Name">Host name, address, or network as <c>10.1.0.0/16</c>.</param>
/// <param name="Latitude">Degrees, north positive.</param>
/// <param name="Longitude">Degrees, east positive.</param>
public sealed record GeoSite(string Name, double Latitude, double Longitude);

/// <summary>Who may write.</summary>
/// <param name="TokenFile">Tokens, one a line; null: there is no such file.</param>
/// <param name="Required">Whether callers are asked for a credential; true wherever there is a token file.</param>
/// <param name="ManagementOpen">Whether everybody who reaches the management port may look.</param>
/// <param name="Oidc">Whose tokens are good, too; null: nobody's.</param>
public sealed record AccessOptions(string? TokenFile, bool Required = false, bool ManagementOpen = false, OidcOptions? Oidc = null);

/// <summary>An OpenID Connect issuer whose tokens are good here.</summary>
/// <param name="Issuer">URL, exactly as its tokens say.</param>
/// <param name="Audience">What tokens have to be made for.</param>
/// <param name="KeysFile">Its keys; null: they are asked of the issuer.</param>
/// <param name="RulesFile">What claims allow, see <see cref="CvmfsNix.Cluster.Node.Access.OutsideRules"/>; null: the claim scope says it.</param>
public sealed record OidcOptions(string Issuer, string Audience, string? KeysFile, string? RulesFile);

/// <summary>TLS, from PEM files.</summary>
/// <param name="CertificateFile">Certificate and its chain; null: no port speaks TLS.</param>
/// <param name="KeyFile">Its key; null with <paramref name="CertificateFile"/>.</param>
/// <param name="Ports">The ports that speak TLS.</param>
/// <param name="ClientAuthorityFile">Authorities of callers' certificates; null: callers are asked for none.</param>
/// <param name="ClientPorts">The ports that ask callers for a certificate.</param>
/// <param name="AuthorityFile">Authorities of the servers this node calls; null: those of the machine.</param>
public sealed record TlsOptions(
    string? CertificateFile = null,
    string? KeyFile = null,
    IReadOnlyList<Surface>? Ports = null,
    string? ClientAuthorityFile = null,
    IReadOnlyList<Surface>? ClientPorts = null,
    string? AuthorityFile = null)
{
    /// <summary>Whether a port speaks TLS.</summary>
    public bool Covers(Surface surface) => CertificateFile is not null && Ports?.Contains(surface) == true;

    /// <summary>Whether a port asks callers for a certificate.</summary>
    public bool AsksForCertificate(Surface surface) => Covers(surface) && ClientAuthorityFile is not null && ClientPorts?.Contains(surface) == true;
}

/// <summary>Bounds of the gateway. More lets more builders in at once and costs memory; they have no switches.</summary>
public sealed record GatewayLimits
{
    /// <summary>Open transactions on this node; the one used longest ago goes when it is idle.</summary>
    public int TransactionsMax { get; init; } = 1024;

    /// <summary>After this long without a call an open transaction is forgotten.</summary>
    public TimeSpan IdleMax { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Object packs received at the same time.</summary>
    public int PacksInFlightMax { get; init; } = 64;

    /// <summary>Paths verified at the same time.</summary>
    public int VerificationsMax { get; init; } = Math.Max(2, Environment.ProcessorCount);

    /// <summary>Archives that stock Nix uploads received at the same time.</summary>
    public int NarsInFlightMax { get; init; } = 64;

    /// <summary>Scratch of uploaded archives held until their narinfo comes; bytes. One that is larger alone is taken when nothing else is held.</summary>
    public long NarBytesMax { get; init; } = 16L << 30;

    /// <summary>Memory of the trees of uploaded archives; bytes.</summary>
    public long NarMemoryMax { get; init; } = 96L << 20;

    /// <summary>After this long without use an uploaded archive is dropped.</summary>
    public TimeSpan NarIdleMax { get; init; } = TimeSpan.FromHours(1);

    /// <summary>An upload that brings nearly nothing for this long is ended.</summary>
    public TimeSpan UploadStallMax { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a narinfo waits for its commit, leaders that are lost meanwhile included.</summary>
    public TimeSpan NarInfoWait { get; init; } = TimeSpan.FromSeconds(45);

    /// <summary>Files of repositories open for readers at the same time.</summary>
    public int OpenFilesMax { get; init; } = 512;

    /// <summary>Free bytes of the data folder below which uploads are refused.</summary>
    public long FreeBytesMin { get; init; } = 256L << 20;

    /// <summary>Free share of the data folder's file system below which uploads are refused.</summary>
    public double FreeShareMin { get; init; } = 0.01;

    /// <summary>How long an answer waits until this node serves what was committed.</summary>
    public TimeSpan AppliedWait { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>Everything a node is told at start, checked.</summary>
public sealed record NodeOptions
{
    public required FolderOptions Folders { get; init; }

    public required PortOptions Ports { get; init; }

    public required JournalChoice Journal { get; init; }

    public required MembershipOptions Membership { get; init; }

    public required AccessOptions Access { get; init; }

    public TlsOptions Tls { get; init; } = new();

    /// <summary>What a stratum1 mirrors; null for nodes of other roles.</summary>
    public MirrorChoice? Mirror { get; init; }

    /// <summary>How long removed paths can be had back, and objects that nothing needs are kept.</summary>
    public TimeSpan GcGrace { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long applied events stay beside the objects, for the mending of a journal that was restored.</summary>
    public TimeSpan ArchiveKeep { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Bytes of catalogs a second that the commits of a repository store at most in the long run; 0 = no limit.</summary>
    public long CatalogBytesPerSecond { get; init; } = 64L << 20;

    /// <summary>Where hosts are, for the question which server is nearest.</summary>
    public IReadOnlyList<GeoSite> Geo { get; init; } = [];

    public GatewayLimits Limits { get; init; } = new();

    /// <summary>Whether the management port takes changes of the membership.</summary>
    public bool ManagementWrites { get; init; }

    /// <summary>Whether log lines are JSON documents.</summary>
    public bool LogJson { get; init; }

    public LogLevel LogLevel { get; init; } = LogLevel.Information;
}
