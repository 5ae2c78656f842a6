using CvmfsNix.Cluster.Contracts.Tls;
using CvmfsNix.Cluster.Node.Hosting;

namespace CvmfsNix.Cluster.Node.Options;

/// <summary>The settings of TLS.</summary>
public sealed partial class NodeOptionsBinder
{
    private TlsOptions Tls()
    {
        string? certificate = FileOf(NodeSwitches.TlsCert), key = FileOf(NodeSwitches.TlsKey), callers = FileOf(NodeSwitches.TlsClientCa), authority = FileOf(NodeSwitches.TlsCa);
        Surface[] ports = Surfaces(NodeSwitches.TlsPorts, [Surface.Data, Surface.Control, Surface.Management]);
        Surface[] callerPorts = Surfaces(NodeSwitches.TlsClientPorts, [Surface.Control]);
        if (certificate is null)
        {
            foreach (NodeSwitch name in (NodeSwitch[])[NodeSwitches.TlsKey, NodeSwitches.TlsPorts, NodeSwitches.TlsClientCa, NodeSwitches.TlsClientPorts])
            {
                if (_settings[name] is { } setting)
                    _mistakes.Add($"{setting.Origin} needs --tls-cert FILE.");
            }
        }
        else
        {
            Try(NodeSwitches.TlsCert, () => _ = new PemIdentity(certificate, key ?? certificate));
        }

        if (_settings[NodeSwitches.TlsClientPorts] is { } asked && callers is null)
            _mistakes.Add($"{asked.Origin} needs --tls-client-ca FILE.");
        foreach (Surface port in callers is null ? [] : callerPorts.Except(ports))
            _mistakes.Add($"--tls-client-ports names {NameOf(port)}, which --tls-ports does not: a port that asks for certificates speaks TLS.");
        if (callers is not null)
            Try(NodeSwitches.TlsClientCa, () => _ = new PemTrust(callers));
        if (authority is not null)
            Try(NodeSwitches.TlsCa, () => _ = new PemTrust(authority));
        return new TlsOptions(certificate, key ?? certificate, ports, callers, callerPorts, authority);
    }

    private string? FileOf(NodeSwitch name) => _settings[name] is { Value.Length: > 0 } setting ? Path.GetFullPath(setting.Value) : null;

    private Surface[] Surfaces(NodeSwitch name, Surface[] otherwise)
    {
        if (_settings[name] is not { } setting)
            return otherwise;
        var found = new List<Surface>();
        foreach (string word in List(setting))
        {
            if (word is not ("data" or "control" or "management"))
                _mistakes.Add($"{setting.Origin}: \"{word}\" is no port; ports are data, control and management.");
            else
                found.Add(word switch { "data" => Surface.Data, "control" => Surface.Control, _ => Surface.Management });
        }

        return [.. found.Distinct()];
    }

    private void Try(NodeSwitch name, Action read)
    {
        try
        {
            read();
        }
        catch (InvalidDataException e)
        {
            _mistakes.Add($"{_settings[name]!.Value.Origin}: {e.Message}");
        }
    }

    private static string NameOf(Surface surface) => surface switch
    {
        Surface.Data => "data",
        Surface.Control => "control",
        _ => "management",
    };
}
