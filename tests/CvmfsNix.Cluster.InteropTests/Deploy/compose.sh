#!/bin/bash
# Runs docker-compose.cluster.yml as it is, on an engine of its own in a network namespace of its own, with stand-ins for the images:
# up, healthy, a publish from the builder, the leader's container killed, a publish again, every Stratum 1 complete, down.
#   compose.sh WORK TOP    WORK: an empty folder for all that is made, TOP: the source tree with built programs
# Exit 0: all done. Exit 77: no engine can run here, the reason on standard output. Anything else: a failure, told on standard error.
set -euo pipefail
work=$1 top=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=compose.example.org
namespace=cvmfsnix-$$
export DOCKER=/usr/bin/docker DOCKER_HOST=unix://$work/docker.sock COMPOSE_PROJECT_NAME=cvmfsnix
POSTGRES_PASSWORD=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
export POSTGRES_PASSWORD
unset DOCKER_CONTEXT DOCKER_TLS_VERIFY COMPOSE_FILE

started=$SECONDS
step() { printf '%4d s  %s\n' $((SECONDS - started)) "$*"; }
# What an engine says of a kernel that lacks something is no program that could be installed.
cannot() { echo "$*" | sed 's/not found/not there/g'; exit 77; }
fail() { echo "compose: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || cannot "a container engine of its own needs root"
for tool in "$DOCKER" dockerd docker-compose busybox ip nsenter /usr/lib/postgresql/15/bin/postgres; do
    command -v "$tool" >/dev/null || cannot "$tool is not installed (docker.io, docker-compose, busybox-static, iproute2, postgresql-15)"
done

engine=
finish() {
    local status=$?
    trap - EXIT
    if [ -n "$engine" ]; then
        if [ "$status" != 0 ]; then
            "$DOCKER" ps -a >&2 || true
            for c in $("$DOCKER" ps -aq 2>/dev/null); do
                echo "--- $("$DOCKER" inspect -f '{{.Name}} {{json .State.Health}}' "$c" | cut -c1-600)" >&2
                "$DOCKER" logs --tail 15 "$c" >&2 2>&1 || true
            done
        fi
        (cd "$work/source" 2>/dev/null && docker-compose -f docker-compose.cluster.yml kill >/dev/null 2>&1) || true
        kill "$engine" 2>/dev/null || true
        wait "$engine" 2>/dev/null || true
    fi
    ip netns del "$namespace" 2>/dev/null || true
    exit "$status"
}
trap finish EXIT

# In a namespace of its own, so that its bridges, rules and addresses meet nobody else's.
ip netns add "$namespace" 2>"$work/netns.log" || cannot "a network namespace is not allowed here: $(tail -n 1 "$work/netns.log")"
ip -n "$namespace" link set lo up
nsenter --net=/run/netns/"$namespace" dockerd --data-root "$work/engine" --exec-root "$work/exec" --pidfile "$work/pid" -H "$DOCKER_HOST" >"$work/engine.log" 2>&1 &
engine=$!
for _ in $(seq 300); do
    "$DOCKER" version >/dev/null 2>&1 && break
    kill -0 "$engine" 2>/dev/null || { engine=; cannot "no container engine can run here: $(grep -v level=info "$work/engine.log" | tail -n 1)"; }
    sleep 0.1
done
"$DOCKER" version >/dev/null 2>&1 || cannot "the container engine does not answer"
step "engine up: $("$DOCKER" version -f '{{.Server.Version}}')"

# --- images ------------------------------------------------------------------------------------------------------
mkdir -p "$work/source/publish"
cp -a "$top/deploy" "$top/docker-compose.cluster.yml" "$top/.dockerignore" "$work/source/"
for project in Node Cli; do
    from=$top/artifacts/bin/CvmfsNix.Cluster.$project/release
    # Only what this machine's image runs: libraries of other systems are half of the size.
    (cd "$from" && find . -path ./runtimes -prune -o ! -name "*.pdb" ! -name "*.xml" \( -type f -o -type l \) -print) >"$work/files"
    (cd "$from" && [ ! -d runtimes/linux-x64 ] || find runtimes/linux-x64 -type f) >>"$work/files"
    tar -C "$from" -c -T "$work/files" | tar -C "$work/source/publish" -x
done
runtime=$(sed -n 's/^ARG RUNTIME_IMAGE=//p' "$top/deploy/Dockerfile")
bash "$here/images.sh" "$runtime" postgres:15
cd "$work/source"
"$DOCKER" build -q -f deploy/Dockerfile -t cvmfsnix --target packaged . >/dev/null
step "images made"
[ "$("$DOCKER" run --rm --network none --read-only cvmfsnix --version)" = "$("$top/artifacts/bin/CvmfsNix.Cluster.Node/release/cvmfsnix-node" --version)" ] || fail "the image runs something else"
[ "$("$DOCKER" image inspect -f '{{.Config.User}}' cvmfsnix)" = 1654:1654 ] || fail "the image runs as root"

# --- what the builder has ----------------------------------------------------------------------------------------
cli=$top/artifacts/bin/CvmfsNix.Cluster.Cli/release/cvmfsnix
first=$("$cli" dev make-closure "$work/closure")
registration=$work/closure/registration
chmod -R a+rX "$work/closure"
export BUILDER_STORE=$work/closure/nix/store BUILDER_REGISTRATION=$registration

compose() { docker-compose -f docker-compose.cluster.yml "$@"; }
# Standard output alone is the result; the tool's own words go to standard error.
in_cluster() { compose run --rm -T "$@" 2>>"$work/run.log"; }
field() { sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p' | head -n 1; }

services=(postgres core1 core2 core3 geneva chicago)
healthy() {
    local service
    for service in "$@"; do
        [ "$("$DOCKER" inspect -f '{{.State.Health.Status}}' "cvmfsnix_${service}_1" 2>/dev/null)" = healthy ] || return 1
    done
}
await() { # SECONDS WHAT COMMAND…
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "$what did not happen"
        sleep 0.5
    done
}

compose up -d --no-build >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; fail "docker-compose up failed"; }
await 240 "that all are healthy" healthy "${services[@]}"
step "all healthy"
in_cluster cli repo create "$repository" >/dev/null || { cat "$work/run.log" >&2; fail "no repository was made"; }
in_cluster cli key show "$repository" >"$work/repository.pub"

# --- a publish from the builder ----------------------------------------------------------------------------------
in_cluster builder publish --repo "$repository" --registration /registration --wait all --timeout 120 --json "$first" >"$work/first.json" \
    || { cat "$work/run.log" "$work/first.json" >&2; fail "the first publish failed"; }
grep -q '"status":"committed"' "$work/first.json" || fail "not committed: $(cat "$work/first.json")"
step "published: revision $(field revision <"$work/first.json")"

# --- the leader's container is killed ----------------------------------------------------------------------------
leader=$(in_cluster cli status --json | field leader | sed 's|.*@\([^:]*\):.*|\1|')
case $leader in core[123]) ;; *) fail "no leader: $leader" ;; esac
"$DOCKER" kill "cvmfsnix_${leader}_1" >/dev/null
step "killed $leader, the leader"

# Something new to publish: another store path, by the same hand that made the first closure.
second=$(sed -n 's|^\(/nix/store/[^/]*\)$|\1|p' "$registration" | sort -u | grep -v -x -F "$first" | head -n 1)
[ -n "$second" ] || fail "the closure has one path only"
in_cluster builder publish --repo "$repository" --registration /registration --profile after-the-kill --wait all --timeout 120 --json "$second" >"$work/second.json" \
    || { cat "$work/run.log" "$work/second.json" >&2; fail "the publish without the leader failed"; }
revision=$(field revision <"$work/second.json")
[ "$revision" -gt "$(field revision <"$work/first.json")" ] || fail "no new revision: $(cat "$work/second.json")"
now=$(in_cluster cli status --json | field leader | sed 's|.*@\([^:]*\):.*|\1|')
[ "$now" != "$leader" ] || fail "$leader still leads"
step "published without it: revision $revision, $now leads"

# --- every Stratum 1 is complete ---------------------------------------------------------------------------------
in_cluster cli wait --repo "$repository" --revision "$revision" --for all --timeout 120 --json >"$work/wait.json" || { cat "$work/run.log" >&2; fail "the mirrors are behind"; }
for site in geneva chicago; do
    grep -q "\"replica\":\"$site\"" "$work/wait.json" || fail "nobody waited for $site: $(cat "$work/wait.json")"
done
for port in 8021 8022; do
    nsenter --net=/run/netns/"$namespace" "$cli" verify "http://127.0.0.1:$port/cvmfs/$repository" --pubkey "$work/repository.pub" \
        --deep --registration "$registration" --json >"$work/verify.$port.json" || { cat "$work/verify.$port.json" >&2; fail "the Stratum 1 on port $port is not complete"; }
    [ "$(field revision <"$work/verify.$port.json")" = "$revision" ] || fail "the Stratum 1 on port $port serves another revision"
done
step "both Stratum 1 complete at revision $revision"

# --- the killed one comes back -----------------------------------------------------------------------------------
"$DOCKER" start "cvmfsnix_${leader}_1" >/dev/null
await 180 "that $leader is healthy again" healthy "$leader"
step "$leader is back"
compose down -v >"$work/down.log" 2>&1 || { cat "$work/down.log" >&2; fail "docker-compose down failed"; }
[ -z "$("$DOCKER" ps -aq)$("$DOCKER" volume ls -q)" ] || fail "something is left after down"
step "down, nothing left"
