# One path that holds everything a tree may hold and few trees do. No nixpkgs, no network.
#   nix-build odd.nix --no-out-link
{ name ? "odd-1.0" }:
derivation {
  inherit name;
  system = builtins.currentSystem;
  builder = "/bin/sh";
  PATH = "/usr/bin:/bin";
  args = [ "-e" "-c" ''
    mkdir -p $out/names $out/empty/dir $out/modes $out/links $out/big

    cd $out/names
    echo 1 > 'with space'
    echo 2 > ' leading and trailing '
    echo 3 > 'zéro-Ελλάδα-日本'
    printf 4 > "$(printf 'not-utf8-\377\200')"
    printf 5 > "$(printf 'new\nline')"
    printf 6 > "$(printf 'tab\tand"quote')"
    echo 7 > ./-dash
    echo 8 > ./'*'
    echo 9 > ./'back\slash'
    echo 10 > ...
    echo 11 > "$(printf 'n%.0s' $(seq 255))"
    mkdir a; echo 12 > a/b; echo 13 > a.b; echo 14 > a-b; echo 15 > A; echo 16 > aa

    : > $out/empty/file
    mkdir "$out/empty/other dir"

    cd $out/modes
    for m in 000 044 100 111 200 400 444 500 555 644 700 755 777; do echo $m > m$m; chmod $m m$m; done

    cd $out/big
    { openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000 -nosalt < /dev/zero 2>/dev/null || true; } | head -c 9000001 > mixed
    head -c 60000000 /dev/zero >> mixed
    printf end >> mixed
    head -c 7 /dev/zero > seven; head -c 8 /dev/zero > eight; head -c 9 /dev/zero > nine

    cd $out; d=deep; for i in $(seq 39); do d=$d/l$i; done; mkdir -p $d; echo bottom > $d/file

    cd $out/links
    for i in $(seq 496); do ln -s ../names/a.b link$i; done
    ln -s nowhere dangling
    ln -s /etc/hostname absolute
    ln -s $out/names self
    ln -s "$(printf 't\377')" "$(printf 'l\377')"
  '' ];
}
