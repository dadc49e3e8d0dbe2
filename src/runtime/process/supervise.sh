#!/bin/bash
# Waits for a dyno's program and writes down how it ended, whether or not the control plane is there to see it.
# Arguments: exit file, files of control groups the program joins, --, program. Its process id goes to file descriptor 3.
exit_file=$1
shift
groups=()
while [[ $1 != -- ]]; do
  groups+=("$1")
  shift
done
shift
# With job control the program gets a process group of its own, and does not ignore SIGINT.
set -m
trap : HUP INT TERM
(
  for group in "${groups[@]}"; do echo "$BASHPID" > "$group"; done
  exec "$@" 3>&-
) &
program=$!
echo "$program" >&3
# From here on the log is the program's alone: job control would say there how it ended.
exec 3>&- > /dev/null 2>&1
wait "$program"
code=$?
while kill -0 "$program" 2> /dev/null; do
  wait "$program"
  code=$?
done
# A dyno ends with its first process.
kill -KILL -- "-$program" 2> /dev/null
if [[ ${#groups[@]} -gt 0 ]]; then
  for _ in {1..100}; do
    mapfile -t left < "${groups[0]}"
    if [[ ${#left[@]} -eq 0 ]]; then break; fi
    kill -KILL "${left[@]}" 2> /dev/null
  done
fi
printf '%s' "$code" > "$exit_file.new"
mv "$exit_file.new" "$exit_file"
