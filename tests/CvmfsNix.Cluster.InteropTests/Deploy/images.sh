#!/bin/bash
# Stand-ins for images that a test cannot pull, under the names the deployment files use, made of this machine's own files:
# the .NET runtime with the libraries it loads and no shell (as the small image has none), and PostgreSQL 15 behind an entry point
# that honours the variables of the usual one. Wants DOCKER_HOST, the docker command in $DOCKER, and names and tags:
#   images.sh RUNTIME_NAME POSTGRES_NAME
set -euo pipefail
runtime_name=$1 postgres_name=$2
top=$(mktemp -d "${TMPDIR:-/tmp}/cvmfsnix-images.XXXXXX")
trap 'rm -rf "$top"' EXIT

# libraries_of ROOT FILE…: copies what the files load; the files themselves are copied by the caller.
libraries_of() {
    local root=$1
    shift
    { ldd "$@" 2>/dev/null || true; } | grep -oE '[[:space:]]/(lib|lib64|usr/lib)[^ ]*\.so[^ ]*' | tr -d ' \t' | sort -u | while IFS= read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
}

skeleton() { # ROOT USER ID HOME
    mkdir -p "$1"/{etc,tmp,proc,sys,dev,run} "$1$4"
    chmod 1777 "$1/tmp"
    printf 'root:x:0:0:root:/root:/bin/false\n%s:x:%s:%s::%s:/bin/false\n' "$2" "$3" "$3" "$4" >"$1/etc/passwd"
    printf 'root:x:0:\n%s:x:%s:\n' "$2" "$3" >"$1/etc/group"
    printf 'hosts: files dns\n' >"$1/etc/nsswitch.conf"
    chown "$3:$3" "$1$4"
}

import() { # ROOT NAME CHANGE…
    local root=$1 name=$2 change=()
    shift 2
    for one in "$@"; do change+=(--change "$one"); done
    tar -C "$root" --numeric-owner -c . | "$DOCKER" import "${change[@]}" - "$name" >/dev/null
}

libs=/usr/lib/x86_64-linux-gnu
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
root=$top/runtime
skeleton "$root" app 1654 /home/app
mkdir -p "$root/usr/share/dotnet/host" "$root/usr/share/dotnet/shared" "$root/usr/bin"
cp -a "$dotnet/dotnet" "$root/usr/share/dotnet/"
cp -a "$dotnet/host/fxr" "$root/usr/share/dotnet/host/"
cp -a "$dotnet/shared/Microsoft.NETCore.App" "$dotnet/shared/Microsoft.AspNetCore.App" "$root/usr/share/dotnet/shared/"
ln -s ../share/dotnet/dotnet "$root/usr/bin/dotnet"
extra=()
for library in "$libs"/libssl.so.3 "$libs"/libcrypto.so.3 "$libs"/libnss_dns.so.2 "$libs"/libnss_files.so.2 "$libs"/libgssapi_krb5.so.2; do
    [ -e "$library" ] || continue
    mkdir -p "$root$libs"
    cp -L "$library" "$root$library"
    extra+=("$library")
done
mapfile -t natives < <(find "$dotnet/shared/Microsoft.NETCore.App" -name '*.so')
libraries_of "$root" "$dotnet/dotnet" "${natives[@]}" "${extra[@]}"
import "$root" "$runtime_name" 'ENV DOTNET_RUNNING_IN_CONTAINER=true' 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' 'USER 1654'

root=$top/postgres
pg=/usr/lib/postgresql/15
skeleton "$root" postgres 999 /var/lib/postgresql
mkdir -p "$root/bin" "$root$pg/bin" "$root/usr/bin" "$root/usr/share/postgresql" "$root/var/lib/postgresql/data" "$root/var/run/postgresql"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in sh cat printf env; do ln -s busybox "$root/bin/$applet"; done
cp -L "$pg"/bin/{postgres,initdb,pg_isready} "$root$pg/bin/"
cp -a "$pg/lib" "$root$pg/"
rm -rf "$root$pg/lib/bitcode" "$root$pg"/lib/llvmjit*
cp -aL /usr/share/postgresql/15 "$root/usr/share/postgresql/"
cp -a /usr/share/zoneinfo "$root/usr/share/"
libraries_of "$root" "$(command -v busybox)" "$pg"/bin/{postgres,initdb,pg_isready} "$pg"/lib/*.so
cat >"$root/entrypoint" <<'SH'
#!/bin/sh
set -e
data=/var/lib/postgresql/data
if [ ! -s $data/PG_VERSION ]; then
    printf '%s' "${POSTGRES_PASSWORD:?}" >/tmp/password
    initdb -D $data -U "${POSTGRES_USER:-postgres}" --pwfile=/tmp/password --auth-host=scram-sha-256 --auth-local=trust -E UTF8 --locale=C
    printf 'CREATE DATABASE "%s";\n' "${POSTGRES_DB:-$POSTGRES_USER}" | postgres --single -j -D $data template1
    printf 'host all all all scram-sha-256\n' >>$data/pg_hba.conf
fi
program=$1
shift
exec "$program" -D $data -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql "$@"
SH
chmod 755 "$root/entrypoint"
chown 999:999 "$root/var/lib/postgresql/data" "$root/var/run/postgresql"
chmod 700 "$root/var/lib/postgresql/data"
import "$root" "$postgres_name" "ENV PATH=$pg/bin:/usr/bin:/bin" 'USER 999' 'ENTRYPOINT ["/entrypoint"]' 'CMD ["postgres"]'
