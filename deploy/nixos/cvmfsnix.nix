# NixOS module: `imports = [ ./cvmfsnix.nix ];` and
#   services.cvmfsnix.core = { enable = true; package = …; settings = { journal = "Host=db;…"; seed = [ … ]; … }; environmentFile = "/run/secrets/cvmfsnix"; };
#   services.cvmfsnix.stratum1 = { enable = true; package = …; settings = { site = "geneva"; core = [ "http://core1:9110" ]; }; };
# `settings` are the keys of the settings file (cvmfsnix-node --help); the node names every unknown one at its start.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkEnableOption mkOption mkIf mkMerge types;
  cfg = config.services.cvmfsnix;
  json = pkgs.formats.json { };

  roleOptions = what: {
    enable = mkEnableOption what;
    package = mkOption {
      type = types.package;
      description = "Package with bin/cvmfsnix-node.";
    };
    settings = mkOption {
      type = json.type;
      default = { };
      description = "Keys of the settings file. Readable by everybody: no secrets here.";
    };
    environmentFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = "File with CVMFSNIX__JOURNAL or PGPASSWORD, outside the Nix store.";
    };
    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Open the data port, and the control port of a core node. Never the cluster's own port.";
    };
  };

  # The port of HOST:PORT.
  portOf = address: lib.toInt (lib.last (lib.splitString ":" address));

  service = name: role: defaults: {
    description = "CvmfsNix ${name}";
    wantedBy = [ "multi-user.target" ];
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    environment = { DOTNET_gcServer = "0"; DOTNET_EnableDiagnostics = "0"; };
    startLimitIntervalSec = 600;
    startLimitBurst = 20;
    serviceConfig = {
      Type = "notify";
      NotifyAccess = "main";
      User = "cvmfsnix";
      Group = "cvmfsnix";
      ExecStart = "${role.package}/bin/cvmfsnix-node --config ${json.generate "cvmfsnix-${name}.json" (defaults // role.settings)}";
      StateDirectory = if name == "core" then "cvmfsnix" else "cvmfsnix-${name}";
      StateDirectoryMode = "0750";
      # Ready is complete: the first copy of everything can take hours.
      TimeoutStartSec = "infinity";
      TimeoutStopSec = 60;
      Restart = "always";
      RestartSec = 2;
      # Wrong settings are wrong the next time, too.
      RestartPreventExitStatus = 2;
      LimitNOFILE = 65536;
      NoNewPrivileges = true;
      CapabilityBoundingSet = "";
      AmbientCapabilities = "";
      ProtectSystem = "strict";
      ProtectHome = true;
      PrivateTmp = true;
      PrivateDevices = true;
      ProtectClock = true;
      ProtectControlGroups = true;
      ProtectHostname = true;
      ProtectKernelLogs = true;
      ProtectKernelModules = true;
      ProtectKernelTunables = true;
      ProtectProc = "invisible";
      ProcSubset = "pid";
      RemoveIPC = true;
      RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
      RestrictNamespaces = true;
      RestrictRealtime = true;
      RestrictSUIDSGID = true;
      LockPersonality = true;
      SystemCallArchitectures = "native";
      SystemCallFilter = [ "@system-service" ];
      SystemCallErrorNumber = "EPERM";
      UMask = "0027";
    } // lib.optionalAttrs (role.environmentFile != null) { EnvironmentFile = role.environmentFile; };
  };

  coreDefaults = { roles = [ "core" "stratum0" ]; data = "/var/lib/cvmfsnix"; keys = "/var/lib/cvmfsnix/keys"; http = "127.0.0.1:8000"; grpc = "127.0.0.1:9110"; };
  mirrorDefaults = { roles = [ "stratum1" ]; data = "/var/lib/cvmfsnix-stratum1"; http = "127.0.0.1:8000"; };
in
{
  options.services.cvmfsnix = {
    core = roleOptions "a core node (Stratum 0) of CvmfsNix.Cluster";
    stratum1 = roleOptions "a mirror (Stratum 1) of CvmfsNix.Cluster";
  };

  config = mkMerge [
    (mkIf (cfg.core.enable || cfg.stratum1.enable) {
      users.users.cvmfsnix = { isSystemUser = true; group = "cvmfsnix"; home = "/var/lib/cvmfsnix"; };
      users.groups.cvmfsnix = { };
    })
    (mkIf cfg.core.enable {
      systemd.services.cvmfsnix-core = service "core" cfg.core coreDefaults;
      networking.firewall.allowedTCPPorts = lib.optionals cfg.core.openFirewall
        (map portOf [ (coreDefaults // cfg.core.settings).http (coreDefaults // cfg.core.settings).grpc ]);
    })
    (mkIf cfg.stratum1.enable {
      systemd.services.cvmfsnix-stratum1 = service "stratum1" cfg.stratum1 mirrorDefaults;
      networking.firewall.allowedTCPPorts = lib.optionals cfg.stratum1.openFirewall
        [ (portOf (mirrorDefaults // cfg.stratum1.settings).http) ];
    })
  ];
}
