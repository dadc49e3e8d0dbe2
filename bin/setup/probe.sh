#!/bin/sh
# What containers ask of the kernel, tried in mount and network namespaces that end with this script.
# $1: an empty folder on the file system of the data. Says on standard output what does not work.
trial=$1
mkdir "$trial/lower" "$trial/upper" "$trial/work" "$trial/root" || exit 1
layers="lowerdir=$trial/lower,upperdir=$trial/upper,workdir=$trial/work"
if ! mount -t overlay -o "$layers" overlay "$trial/root" 2>/dev/null; then
  echo "overlay mounts do not work in the data folder"
  exit 1
fi
umount "$trial/root"
if command -v ip >/dev/null && ! ip link add zarpa-a type veth peer name zarpa-b 2>/dev/null; then
  echo "pairs of virtual network interfaces (veth) do not work"
  exit 1
fi
if command -v nft >/dev/null && ! nft add table ip zarpa_trial 2>/dev/null; then
  echo "nftables does not work"
  exit 1
fi
exit 0
