#!/bin/bash
# tests/run.sh [--full] [--filter NAME]
#
# Builds the solution (Release) and runs every test project. The last line is "N passed, N failed, N skipped"; exit 0
# only if something ran and nothing failed. A project that does not build, and a test process that dies, count as failed.
#   --full         the sizes named in the issues (hours) instead of those of CI (minutes): sets CVMFSNIX_TEST_FULL=1;
#                  also breaks the writer in every way of tests/mutations, each of which the checker has to notice
#   --filter NAME  only tests whose class or method name contains NAME
# As root, missing tools are installed by name from the distribution. With CI=true a missing tool is an error, and a test
# skipped for want of one counts as failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

full=0
filter=
while [ $# -gt 0 ]; do
    case $1 in
        --full) full=1 ;;
        --filter)
            [ $# -gt 1 ] || { echo "tests/run.sh: --filter needs a name" >&2; exit 2; }
            filter=$2
            shift
            ;;
        -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "tests/run.sh: unknown argument $1" >&2; exit 2 ;;
    esac
    shift
done
[ "$full" = 0 ] || export CVMFSNIX_TEST_FULL=1
ci=0
[ "${CI:-}" != true ] || ci=1

passed=0 failed=0 skipped=0
out=$(mktemp -d "${TMPDIR:-/tmp}/cvmfsnix-tests.XXXXXX")
memory=
trap 'rm -rf "$out" "$memory"' EXIT
# Logs of nodes are long, and a log that was cut at its beginning must still tell what failed and why.
failures() {
    local report
    for report in "$out"/*.xml; do
        [ -s "$report" ] || continue
        tr '\n' '\001' <"$report" | sed 's/<test /\n<test /g' | grep 'result="Fail"' \
            | sed -n 's/.* name="\([^"]*\)".*<message>\(<!\[CDATA\[\)\{0,1\}\([^]<]*\).*/  \1:\x01\3/p' | cut -c 1-1500 | tr '\001' '\n'
    done
}
finish() {
    if [ "$failed" -gt 0 ]; then
        echo
        echo "Failed, with the beginning of each message:"
        failures
    fi
    if [ -s "$out/skips" ]; then
        echo
        echo "Skipped, with reasons:"
        sort -u "$out/skips"
    fi
    echo
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
    exit $?
}

# --- tools -------------------------------------------------------------------------------------------------------
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need nix-store nix-bin
need sqlite3 sqlite3
need openssl openssl
need gcc gcc
need curl curl
need ip iproute2
need unshare util-linux
need runuser util-linux
PATH=$PATH:/usr/sbin need nginx nginx-light
PATH=$PATH:/usr/sbin need squid squid
need jq jq
# The deployment files, each read by its program.
need systemd-analyze systemd
need promtool prometheus
# The compose file on a container engine; at full size the dashboard in a browser.
need /usr/sbin/dockerd docker.io
need docker-compose docker-compose
need busybox busybox-static
need /usr/sbin/iptables iptables
[ "$full" = 0 ] || need chromium chromium
/usr/bin/python3 -c "import yaml" 2>/dev/null || missing+=(python3-yaml)
need setpriv util-linux
need proot proot
[ -x /usr/lib/postgresql/15/bin/initdb ] || missing+=(postgresql-15)
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
/sbin/ldconfig -p | grep -q libdeflate.so.0 || missing+=(libdeflate0)
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]} ..."
    # Programs are wanted, not their services.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        trap 'rm -rf "$out" "$memory" /usr/sbin/policy-rc.d' EXIT
    fi
    { DEBIAN_FRONTEND=noninteractive apt-get update -qq \
        && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$out/apt" 2>&1 \
        && missing=() || tail -n 5 "$out/apt"
fi
if [ ${#missing[@]} -gt 0 ]; then
    echo "missing on this machine: ${missing[*]} (install them, or run as root)"
    if [ "$ci" = 1 ]; then
        failed=1
        finish
    fi
fi

# --- build -------------------------------------------------------------------------------------------------------
# The solution first, for one restore and parallel builds. If it fails, each test project tells for itself, so that
# one broken project does not hide the results of the others.
echo "building ..."
build() { dotnet build -c Release -nologo -v quiet -nodeReuse:false -clp:NoSummary "$@"; }
solution_built=1
# Precompiled programs start with a third less work, and the tests start hundreds; they need one more package.
build -p:Precompile=true CvmfsNix.Cluster.sln >"$out/build" 2>&1 || build CvmfsNix.Cluster.sln >"$out/build" 2>&1 || solution_built=0
[ "$solution_built" = 1 ] || grep -E 'error|warning' "$out/build" | sort -u | head -n 40

# --- run ---------------------------------------------------------------------------------------------------------
# The runner is told what to print; the numbers are taken from its report file, which a process that dies never writes.
zero_tests=8 # exit code of the runner when nothing ran
count() { grep -o '<assembly [^>]*>' "$2" | sed -n 's/.*[[:space:]]'"$1"'="\([0-9]*\)".*/\1/p' | awk '{ n += $1 } END { print n + 0 }'; }
for project in tests/*Tests/*.csproj; do
    name=$(basename "$project" .csproj)
    echo
    echo "=== $name"
    if [ "$solution_built" = 0 ] && ! build "$project" >"$out/build.$name" 2>&1; then
        grep -E 'error' "$out/build.$name" | sort -u | head -n 20
        echo "$name does not build: counted as failed"
        failed=$((failed + 1))
        continue
    fi

    program=artifacts/bin/$name/release/$name
    report=$out/$name.xml
    arguments=(--results-directory "$out" --report-xunit-xml --report-xunit-xml-filename "$name.xml" --no-ansi --progress off --output Normal)
    # The display name is namespace, class and method in one: the filter may name any of them.
    [ -z "$filter" ] || arguments+=(--filter-display-name "*$filter*")
    # These make thousands of small stores and lose no power: in memory, where there is some, they take half the time.
    place=${TMPDIR:-/tmp}
    if [ "$name" = CvmfsNix.Cluster.Tests ] && memory=$(mktemp -d /dev/shm/cvmfsnix-tests.XXXXXX 2>/dev/null); then
        # Other users get in, as into /tmp: a database server in it runs as its own.
        chmod 755 "$memory"
        [ "$(df -P -B 1048576 "$memory" | awk 'END { print $4 }')" -lt 2048 ] || place=$memory
    fi
    TMPDIR=$place "$program" "${arguments[@]}" >"$out/$name.log" 2>&1
    code=$?
    [ -z "${memory:-}" ] || rm -rf "$memory"
    memory=
    if [ "$code" = "$zero_tests" ]; then
        echo "no tests"
        continue
    fi
    if [ ! -s "$report" ]; then
        tail -n 40 "$out/$name.log"
        echo "$name ended with $code and no report: counted as failed"
        failed=$((failed + 1))
        continue
    fi
    p=$(count passed "$report") f=$(count failed "$report") s=$(count skipped "$report") e=$(count errors "$report")
    [ "$f" = 0 ] && [ "$e" = 0 ] || cat "$out/$name.log"
    if [ "$code" != 0 ] && [ "$f" = 0 ] && [ "$e" = 0 ] && [ "$((p + s))" -gt 0 ]; then
        cat "$out/$name.log"
        echo "$name ended with $code although no test failed: counted as failed"
        f=1
    fi
    passed=$((passed + p)) failed=$((failed + f + e)) skipped=$((skipped + s))
    echo "$p passed, $((f + e)) failed, $s skipped"
    if [ "$s" -gt 0 ]; then
        tr '\n' ' ' <"$report" | sed 's/<test /\n<test /g' | grep 'result="Skip"' \
            | sed -n 's/.* name="\([^"]*\)".*<reason>\(<!\[CDATA\[\)\{0,1\}\([^]<]*\).*/  \1: \3/p' >>"$out/skips"
    fi
done
if [ "$full" = 1 ] && [ -z "$filter" ]; then
    echo
    echo "=== mutations of the writer"
    bash tests/mutations/run.sh 2>&1 | tee "$out/mutations"
    c=$(grep -c ': caught by ' "$out/mutations") n=$(grep -c ': NOT CAUGHT' "$out/mutations")
    [ "$((c + n))" -gt 0 ] || n=1
    passed=$((passed + c)) failed=$((failed + n))
fi
if [ "$solution_built" = 0 ] && [ "$failed" = 0 ]; then
    echo "the solution does not build: counted as failed"
    failed=1
fi
if [ "$ci" = 1 ] && [ -s "$out/skips" ]; then
    installable=$(grep -c -i -E 'not installed|is missing|not found|not in PATH|apt-get' "$out/skips")
    if [ "$installable" -gt 0 ]; then
        echo "$installable skips for want of something that CI installs: counted as failed"
        failed=$((failed + installable)) skipped=$((skipped - installable))
    fi
fi
finish
