#!/bin/bash
# Becomes a program in the environment kept in a file of NAME=value records, each ended by a zero byte, in the folder HOME.
# Runs as the app's user already: nothing of an app's environment (LD_PRELOAD, BASH_ENV) ever reaches a process of root.
# Arguments: environment file, working folder, program.
while IFS= read -r -d '' pair; do
  export "$pair"
done < "$1" 2> /dev/null
cd "$2" || exit 1
shift 2
exec "$@"
