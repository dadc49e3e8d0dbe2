#!/bin/sh
# Runs in a mount namespace of its own: mounts a container's root file system there, so that it needs no clean-up and no entry in the
# host's table, and becomes the given command.
# Arguments: an empty disk image and its copy for this container (or two empty texts), where that is mounted, overlay options, mount point,
# command.
set -eu
if [ -n "$1" ]; then
  cp --sparse=auto -- "$1" "$2"
  # The loop device ends with the mount. The image is empty: its tables need no clearing.
  mount -t ext4 -o loop,noatime,nosuid,nodev,discard,noinit_itable "$2" "$3"
fi
mount -t overlay -o "$4" overlay "$5"
shift 5
exec "$@"
