{ module }:
# Just enough of nixpkgs to evaluate the module: no nixpkgs can be had where tests run.
let
  lib = rec {
    mkEnableOption = d: { d = d; }; mkOption = o: o; mkIf = c: v: if c then v else { }; mkMerge = l: l;
    types = { package = 1; bool = 2; path = 3; nullOr = x: x; };
    toInt = builtins.fromJSON; last = l: builtins.elemAt l (builtins.length l - 1);
    splitString = s: t: builtins.filter builtins.isString (builtins.split s t);
    optionalAttrs = c: a: if c then a else { }; optionals = c: l: if c then l else [ ];
  };
  pkgs.formats.json = _: { type = 1; generate = n: v: builtins.toFile n (builtins.toJSON v); };
  role = s: { enable = true; package = "/pkg"; settings = s; environmentFile = "/run/secrets/x"; openFirewall = true; };
  m = import module { inherit lib pkgs; config.services.cvmfsnix = { core = role { http = "10.0.0.1:8000"; }; stratum1 = role { core = [ "http://a:9110" ]; }; }; };
in { inherit (m) config; options = builtins.attrNames m.options.services.cvmfsnix; }
