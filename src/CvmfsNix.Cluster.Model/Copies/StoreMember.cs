namespace CvmfsNix.Cluster.Model.Copies;

/// <summary>A store of the current store set.</summary>
/// <param name="Id">What is written in its directory: 32 lower-case hex digits.</param>
/// <param name="Address">Remoting address of its node; for people.</param>
/// <param name="Url">Data port of its node, without a slash at the end.</param>
/// <param name="Site">Datacenter of its node.</param>
public sealed record StoreMember(string Id, string Address, string Url, string Site);
