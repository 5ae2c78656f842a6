# Synthetic closure: n paths in a layered DAG, no nixpkgs, no network.
#   nix-build synth.nix --no-out-link --arg n 200 --argstr seed s1
{ n ? 200, seed ? "s1", maxKiB ? 64 }:
let
  inherit (builtins) genList elemAt length substring hashString concatStringsSep foldl' currentSystem;
  # deterministic small ints from a string
  hex = c: { "0"=0;"1"=1;"2"=2;"3"=3;"4"=4;"5"=5;"6"=6;"7"=7;"8"=8;"9"=9;a=10;b=11;c=12;d=13;e=14;f=15; }.${c};
  rnd = s: m: let h = hashString "sha256" "${seed}-${s}"; v = foldl' (a: i: a * 16 + hex (substring i 1 h)) 0 (genList (i: i) 7); in v - m * (v / m);
  mk = i: prev:
    let
      nd = if i == 0 then 0 else 1 + rnd "nd${toString i}" 4;
      deps = genList (k: elemAt prev (if k == 0 then i - 1 - rnd "d0${toString i}" (if i < 8 then i else 8) else rnd "d${toString i}-${toString k}" i)) nd;
      kib = 1 + rnd "sz${toString i}" maxKiB;
      key = substring 0 32 (hashString "sha256" "${seed}k${toString i}");
    in derivation {
      name = "pkg${toString i}-1.${toString (rnd "v${toString i}" 10)}";
      system = currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin"; inherit deps;
      args = [ "-e" "-c" ''
        mkdir -p $out/bin $out/lib $out/share/doc
        openssl enc -aes-128-ctr -K ${key} -iv 00000000000000000000000000000000 -nosalt < /dev/zero 2>/dev/null | head -c $((${toString kib} * 512)) > $out/lib/libpkg${toString i}.so || true
        yes "doc of pkg${toString i}" | head -c $((${toString kib} * 512)) > $out/share/doc/README || true
        printf '#!/bin/sh\necho pkg${toString i}\n' > $out/bin/pkg${toString i}; chmod +x $out/bin/pkg${toString i}
        for d in $deps; do printf '%s/bin/%s\n' $d "$(ls $d/bin | head -1)" >> $out/bin/pkg${toString i}; ln -sfn $d $out/share/dep-''${d##*-}; done
        ${if rnd "self${toString i}" 3 == 0 then "echo self=$out > $out/lib/self" else ""}
        mkdir "$out/share/empty dir"; : > "$out/share/zéro"
      '' ];
    };
  all = foldl' (acc: i: acc ++ [ (mk i acc) ]) [] (genList (i: i) n);
in derivation { name = "synth-env"; system = currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin"; paths = all;
     args = [ "-e" "-c" "mkdir -p $out/bin; for p in $paths; do ln -s $p/bin/* $out/bin/; done" ]; }
