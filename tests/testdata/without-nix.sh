#!/bin/sh
# Runs a program on this machine as if it had no /nix: in a mount namespace with a new root that everything else is bound into.
#   unshare --mount sh without-nix.sh PROGRAM ARGUMENTS…
set -e
here=$PWD
mount -t tmpfs none /mnt
mkdir /mnt/old
for entry in /*; do
    case $entry in /nix | /mnt) continue ;; esac
    if [ -L "$entry" ]; then
        cp -P "$entry" "/mnt$entry"
    elif [ -d "$entry" ]; then
        mkdir "/mnt$entry"
        mount --rbind "$entry" "/mnt$entry"
    else
        : >"/mnt$entry"
    fi
done
mkdir /mnt/mnt
cd /mnt
PATH=$PATH:/usr/sbin:/sbin pivot_root . old
cd "$here"
umount -l /old
rmdir /old
exec "$@"
