#!/bin/sh
# Set as post-build-hook, hands what Nix has just built to `cvmfsnix agent`: one file a derivation, renamed into a spool folder.
# Made by `cvmfsnix hook --print`. It waits for nobody, and a build never fails because of it@STRICT_REMARK@.
spool=${CVMFSNIX_SPOOL:-@SPOOL@}
failed=@FAILED@
set -uf
PATH=${PATH:-/usr/bin:/bin}:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/bin:/bin

fail() {
    echo "cvmfsnix hook: $1; ${DRV_PATH:-nothing} is not published" >&2
    exit "$failed"
}

[ -n "${DRV_PATH:-}" ] || fail 'DRV_PATH is not set (Nix sets it; this is a post-build-hook)'
paths=${OUT_PATHS:-}
if [ -z "$paths" ]; then
    # Nix 2.8.0 forgets to say what was built.
    for path in $(nix-store --query --outputs "$DRV_PATH" || echo failed); do
        [ "$path" != failed ] || fail 'nix-store --query --outputs failed'
        if [ -e "$path" ] || [ -L "$path" ]; then paths="$paths $path"; fi
    done
fi
[ -n "$paths" ] || exit 0

if [ ! -d "$spool/new" ] || [ ! -d "$spool/tmp" ]; then
    mkdir -p "$spool/new" "$spool/tmp" || fail "the spool folder $spool cannot be made"
fi
name=$(date +%s)-$$

# Roots keep the paths until the agent has published them: links below gcroots where they can be made, which is cheap.
roots=${NIX_STATE_DIR:-/nix/var/nix}/gcroots/cvmfsnix
indirect=
if [ ! -w "$roots" ] && ! mkdir -p "$roots" 2>/dev/null; then
    indirect=yes
    roots=$spool/roots
    mkdir -p "$roots" || fail "$roots cannot be made"
fi
entry="cvmfsnix-spool 1
drv $DRV_PATH"
count=0
for path in $paths; do
    count=$((count + 1))
    root=$roots/$name-$count
    if [ -n "$indirect" ]; then
        nix-store --add-root "$root" --indirect --realise "$path" >/dev/null || fail "no root for $path can be made"
    else
        ln -s "$path" "$root" || fail "no root for $path can be made"
    fi
    entry="$entry
path $path
root $root"
done

printf '%s\nend\n' "$entry" >"$spool/tmp/$name" || fail "$spool/tmp cannot be written"
sync "$spool/tmp/$name" || fail "$spool/tmp cannot be made durable"
mv -f "$spool/tmp/$name" "$spool/new/$name" || fail "$spool/new cannot be written"
sync "$spool/new" || fail "$spool/new cannot be made durable"
exit 0
