#!/bin/bash
# deploy/quickstart.sh [--once]
#
# From nothing to a published and checked closure on this machine; needs the .NET 10 SDK and nothing else:
#   build if needed -> start a node on loopback in a fresh temporary folder -> create a repository -> publish a closure
#   -> read everything back over HTTP with nothing but the public key -> compare with the source
#   -> the same through a stratum1 that mirrors the node.
# The last line is "QUICKSTART OK repository=... revision=... url=... pubkey=... stratum1=..."; without --once both nodes
# then stay up until Ctrl-C. Only processes started here are ended, by their ids, and the temporary folder is removed.
set -euo pipefail

once=0
for argument in "$@"; do
    case $argument in
        --once) once=1 ;;
        -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "quickstart: unknown argument $argument (only --once is known)" >&2; exit 2 ;;
    esac
done

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
repository=quickstart.example.org
say() { printf '%s\n' "$*" >&2; }
fail() { say "quickstart: $*"; exit 1; }

command -v dotnet >/dev/null || { say "quickstart: the .NET 10 SDK is missing: there is no dotnet in PATH"; exit 2; }
if [ -z "${DOTNET_ROOT:-}" ]; then
    DOTNET_ROOT=$(dirname "$(readlink -f "$(command -v dotnet)")")
    export DOTNET_ROOT
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/cvmfsnix-quickstart.XXXXXX")
node_pid=
mirror_pid=
finish() {
    local status=$?
    trap - EXIT INT TERM
    local pid
    for pid in $mirror_pid $node_pid; do
        kill -0 "$pid" 2>/dev/null || continue
        kill -TERM "$pid" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
    [ "$status" != 1 ] || [ ! -s "$work/node.log" ] || { say "--- the node's last words:"; tail -n 20 "$work/node.log" >&2; }
    [ "$status" != 1 ] || [ ! -s "$work/mirror.log" ] || { say "--- the stratum1's last words:"; tail -n 20 "$work/mirror.log" >&2; }
    # Store paths are read-only trees.
    chmod -R u+w "$work" 2>/dev/null || true
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
# Before everything was checked an interruption is a failure; afterwards it is the way to end.
checked=0
trap '[ "$checked" = 1 ] && exit 0; exit 130' INT
trap '[ "$checked" = 1 ] && exit 0; exit 143' TERM

# --- build -------------------------------------------------------------------------------------------------------
node=$top/artifacts/bin/CvmfsNix.Cluster.Node/release/cvmfsnix-node
cli=$top/artifacts/bin/CvmfsNix.Cluster.Cli/release/cvmfsnix
stamp=$top/artifacts/quickstart.built
stale() {
    [ -x "$node" ] && [ -x "$cli" ] && [ -e "$stamp" ] || return 0
    [ -n "$(find "$top/src" "$top"/Directory.*.props -name obj -prune -o -type f \( -name '*.cs' -o -name '*.csproj' -o -name '*.proto' -o -name '*.props' \) \
        -newer "$stamp" -print -quit)" ]
}
if stale; then
    say "building (Release) ..."
    # The time before the build: what is edited while it runs is built next time.
    touch "$work/built"
    for project in CvmfsNix.Cluster.Node CvmfsNix.Cluster.Cli; do
        dotnet build -c Release -nologo -v quiet -nodeReuse:false "$top/src/$project" >"$work/build.log" 2>&1 \
            || { cat "$work/build.log" >&2; fail "the build of $project failed"; }
    done
    mkdir -p "$top/artifacts"
    cp -p "$work/built" "$stamp"
fi

# --- node --------------------------------------------------------------------------------------------------------
# A default port that is taken is left to its owner: port 0 lets the node choose a free one.
port_or_zero() { if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then echo 0; else echo "$1"; fi; }
say "starting a node in $work/data ..."
mkfifo "$work/node.out"
ready=
# start_node HTTP GRPC MANAGEMENT REMOTING: sets node_pid, and ready to the JSON of the READY line (empty: it ended before).
start_node() {
    env -u CVMFSNIX__JOURNAL -u CVMFSNIX__SEED "$node" --data "$work/data" \
        --http "127.0.0.1:$1" --grpc "127.0.0.1:$2" --management "127.0.0.1:$3" --remoting "127.0.0.1:$4" \
        >"$work/node.out" 2>"$work/node.log" </dev/null &
    node_pid=$!
    # The fifo ends when the node does, so this waits for the line or for the node's end, never for a time.
    exec 4<"$work/node.out"
    local line
    while IFS= read -r line <&4; do
        case $line in READY\ *) ready=${line#READY }; break ;; esac
    done
    # Later lines must not fill the pipe and stop the node.
    cat <&4 >/dev/null &
    exec 4<&-
}
start_node "$(port_or_zero 8000)" "$(port_or_zero 9110)" "$(port_or_zero 8558)" "$(port_or_zero 8110)"
if [ -z "$ready" ] && grep -q 'address already in use' "$work/node.log"; then
    # Somebody took a port between the look and the start.
    wait "$node_pid" || true
    start_node 0 0 0 0
fi
[ -n "$ready" ] || fail "the node ended before it was ready"
field() { printf '%s' "$ready" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
http=$(field http)
server=$(field grpc)
[ -n "$http" ] && [ -n "$server" ] || fail "the READY line names no addresses: $ready"
export CVMFSNIX_SERVER=$server
unset CVMFSNIX_TOKEN

# --- repository and closure --------------------------------------------------------------------------------------
say "creating the repository $repository ..."
"$cli" repo create "$repository" >/dev/null
pubkey=$work/$repository.pub
"$cli" key show "$repository" >"$pubkey"
url=$http/cvmfs/$repository

# A valid path of this machine's own Nix store whose closure is small; preferably one that refers to others.
existing_closure() {
    command -v nix-store >/dev/null || return 1
    local path bytes second=
    for path in $( (nix-store --dump-db 2>/dev/null || true) | grep -E '^/nix/store/[0-9a-z]{32}-[^/]*$' | grep -v '\.drv$' | sort -u | sed 50q); do
        [ -e "$path" ] && nix-store -qR "$path" >"$work/candidate" 2>/dev/null || continue
        bytes=$(xargs nix-store -q --size <"$work/candidate" | awk '{ sum += $1 } END { print sum }')
        [ "$bytes" -lt 100000000 ] || continue
        [ "$(wc -l <"$work/candidate")" -lt 2 ] || { echo "$path"; return 0; }
        second=${second:-$path}
    done
    [ -n "$second" ] && echo "$second"
}

root= registration=
if top_path=$(existing_closure); then
    say "publishing $top_path of this machine's Nix store ..."
    nix-store -qR "$top_path" >"$work/paths"
    "$cli" publish --repo "$repository" "$top_path" --json >"$work/publish.json"
else
    say "publishing a generated closure (this machine has no Nix store paths) ..."
    root=$work/closure
    registration=$root/registration
    top_path=$("$cli" dev make-closure "$root")
    grep -E '^/nix/store/[0-9a-z]{32}-[^/]*$' "$registration" | sort -u >"$work/paths"
    "$cli" publish --repo "$repository" "$top_path" --store-root "$root" --registration "$registration" --json >"$work/publish.json"
fi
grep -q '"status":"committed"' "$work/publish.json" || fail "not committed: $(cat "$work/publish.json")"
revision=$(sed -n 's/.*"revision":\([0-9]*\).*/\1/p' "$work/publish.json")

# --- read back ---------------------------------------------------------------------------------------------------
say "reading revision $revision back over HTTP, checked down from $pubkey ..."
"$cli" ls -lR --digest --json --url "$url" --pubkey "$pubkey" /nix/store >"$work/listing"
"$cli" get --url "$url" --pubkey "$pubkey" /nix/store "$work/back" >/dev/null
while IFS= read -r path; do
    grep -q -F "\"path\":\"$path\"" "$work/listing" || fail "$path is not listed"
done <"$work/paths"
sed "s|^|$root|" "$work/paths" | xargs "$cli" dev nar-hash >"$work/want"
sed "s|^/nix/store|$work/back|" "$work/paths" | xargs "$cli" dev nar-hash >"$work/have"
paths=$(wc -l <"$work/paths")
[ "$paths" -gt 0 ] && [ "$(wc -l <"$work/have")" = "$paths" ] || fail "not every path was read back"
if ! cmp -s "$work/want" "$work/have"; then
    paste "$work/paths" "$work/want" "$work/have" | awk '$2 != $3' >&2
    fail "these paths came back with another NAR hash than their source has"
fi

# --- stratum1 ----------------------------------------------------------------------------------------------------
say "starting a stratum1 in $work/mirror ..."
mkfifo "$work/mirror.out"
mirror_ready=
start_mirror() {
    env -u CVMFSNIX__JOURNAL -u CVMFSNIX__SEED "$node" --roles stratum1 --core "$server" --data "$work/mirror" \
        --http "127.0.0.1:$1" --management "127.0.0.1:$2" >"$work/mirror.out" 2>"$work/mirror.log" </dev/null &
    mirror_pid=$!
    exec 4<"$work/mirror.out"
    local line
    while IFS= read -r line <&4; do
        case $line in READY\ *) mirror_ready=${line#READY }; break ;; esac
    done
    cat <&4 >/dev/null &
    exec 4<&-
}
start_mirror "$(port_or_zero 8021)" "$(port_or_zero 8571)"
if [ -z "$mirror_ready" ] && grep -q 'address already in use\|port is in use' "$work/mirror.log"; then
    wait "$mirror_pid" || true
    start_mirror 0 0
fi
[ -n "$mirror_ready" ] || fail "the stratum1 ended before it was ready"
stratum1=$(printf '%s' "$mirror_ready" | sed -n 's/.*"http":"\([^"]*\)".*/\1/p')/cvmfs/$repository
# Ready, it serves everything the node had when it began to follow.
say "reading it back through the stratum1 ..."
"$cli" ls -lR --digest --json --url "$stratum1" --pubkey "$pubkey" /nix/store >"$work/mirror.listing"
cmp -s "$work/listing" "$work/mirror.listing" || fail "the stratum1 serves something else than the node"
"$cli" get --url "$stratum1" --pubkey "$pubkey" /nix/store "$work/mirror.back" >/dev/null
sed "s|^/nix/store|$work/mirror.back|" "$work/paths" | xargs "$cli" dev nar-hash >"$work/mirror.have"
cmp -s "$work/want" "$work/mirror.have" || fail "what the stratum1 serves has other NAR hashes than its source"

# The same publish again must find everything there.
again=(publish --repo "$repository" "$top_path" --json)
[ -z "$root" ] || again+=(--store-root "$root" --registration "$registration")
"$cli" "${again[@]}" >"$work/again.json"
grep -q '"status":"unchanged"' "$work/again.json" || fail "a second publish was not 'unchanged': $(cat "$work/again.json")"

entries=$(wc -l <"$work/listing")
say "checked $paths store paths ($entries entries): every NAR hash equals its source"
cat >&2 <<TEXT

What next, in another shell:
  export CVMFSNIX_SERVER=$server
  $cli status
  $cli publish --repo $repository ./result
  $cli ls -lR --url $url --pubkey $pubkey /nix/store
A CernVM-FS client mounts it with CVMFS_SERVER_URL=$url (or $stratum1) and CVMFS_PUBLIC_KEY=$pubkey
TEXT
[ "$once" = 1 ] || say "Both nodes stay up until Ctrl-C; then $work is removed."
result="QUICKSTART OK repository=$repository revision=$revision url=$url pubkey=$pubkey stratum1=$stratum1"
if [ "$once" = 1 ]; then
    kill -TERM "$mirror_pid"
    code=0
    wait "$mirror_pid" || code=$?
    mirror_pid=
    [ "$code" = 0 ] || fail "the stratum1 did not stop cleanly (exit $code)"
    kill -TERM "$node_pid"
    wait "$node_pid" || code=$?
    node_pid=
    [ "$code" = 0 ] || fail "the node did not stop cleanly (exit $code)"
    printf '%s\n' "$result"
    exit 0
fi
printf '%s\n' "$result"
checked=1
wait "$node_pid" || fail "the node ended by itself"
