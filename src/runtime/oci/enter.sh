#!/bin/sh
# Runs in a mount namespace of its own: mounts a container's root file system there, so that it needs no clean-up and no entry in the
# host's table, and becomes the given command.
# Arguments: overlay options, mount point, command.
set -eu
mount -t overlay -o "$1" overlay "$2"
shift 2
exec "$@"
