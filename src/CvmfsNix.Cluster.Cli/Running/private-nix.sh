# Runs a program that sees a tree of Nix as /nix, in a mount namespace that unshare(1) has just made.
#   $1 tree: holds store      $2 "store" to make /nix/var private and writable, for Nix itself, else ""
#   $3 user and $4 group to go back to, "" to stay what unshare made us      $5… program and arguments
set -eu
tree=$1 offer=$2 user=$3 group=$4
shift 4
path=$PATH here=$PWD before=${OLDPWD-}
PATH=$path:/usr/sbin:/usr/bin:/sbin:/bin
back=$(command -v unshare)
cwd=$(pwd -P) || cwd=/

# What is bound on the way may hide the tree or what lies beside it; open directories stay reachable.
exec 3<"$tree"

# Where DIR becomes /nix: the whole tree, or its store beside state of our own.
fill() {
    if [ "$offer" = store ]; then
        mount -t tmpfs -o mode=755 cvmfsnix "$1"
        mkdir -p "$1/store" "$1/var/nix/db" "$1/var/log/nix"
        mount -c --rbind /proc/self/fd/3/store "$1/store"
        for file in db.sqlite db.sqlite-wal schema; do
            [ ! -e "/proc/self/fd/3/var/nix/db/$file" ] || cp "/proc/self/fd/3/var/nix/db/$file" "$1/var/nix/db/$file"
        done
        chmod -R u+w "$1/var"
        sealed=$1/store
    else
        mount -c --rbind /proc/self/fd/3 "$1"
        sealed=$1
    fi
    # Old versions of Nix, run by root, insist on writing to their store.
    if [ "$offer" = store ] && [ -z "$user" ]; then return; fi
    # Flags that the source has are locked here, so they are named again. Where even that is refused, the rights of files decide.
    mount -o remount,bind,ro,nosuid,nodev "$sealed" 2>/dev/null || :
}

if [ -d /nix ] && [ ! -L /nix ]; then
    fill /nix
else
    # Nobody but root can make /nix: a new root of an empty file system into which everything else is bound.
    for base in /tmp /mnt /media /srv /opt; do
        [ ! -d "$base" ] || [ -L "$base" ] || break
    done
    exec 4<"$base"
    mount -t tmpfs -o mode=755 cvmfsnix "$base"
    for entry in /* /.[!.]* /..?*; do
        new=$base/${entry#/}
        if [ "$entry" = /nix ]; then
            continue
        elif [ -L "$entry" ]; then
            cp -P "$entry" "$new"
        elif [ "$entry" = "$base" ]; then
            # Comes with the empty file system that now lies on it, which is taken off again.
            mkdir "$new"
            mount -c --rbind /proc/self/fd/4 "$new"
            umount -l "$new"
        elif [ -d "$entry" ]; then
            mkdir "$new"
            mount --rbind "$entry" "$new" 2>/dev/null || rmdir "$new"
        elif [ -e "$entry" ]; then
            : >"$new"
            mount --bind "$entry" "$new" 2>/dev/null || rm "$new"
        fi
    done
    mkdir "$base/nix"
    fill "$base/nix"
    mkdir "$base/.cvmfsnix"
    cd "$base"
    pivot_root . .cvmfsnix
    cd /
    umount -l /.cvmfsnix
    rmdir /.cvmfsnix
    mount -o remount,bind,ro / 2>/dev/null || :
    exec 4<&-
fi
exec 3<&-

# The program gets the environment it was given, and its directory by its new way.
cd -P "$cwd" 2>/dev/null || cd /
PWD=$here
if [ -n "$before" ]; then OLDPWD=$before; else unset OLDPWD; fi
PATH=$path
if [ -n "$user" ]; then
    exec "$back" -U --map-user="$user" --map-group="$group" -- "$@"
fi
exec "$@"
