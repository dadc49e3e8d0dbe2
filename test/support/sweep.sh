#!/bin/sh
# Waits for the end of a test run, then ends its throw-away PostgreSQL and removes the folder: even a killed run leaves nothing.
# usage: sweep.sh PID-OF-THE-RUN PID-OF-THE-SERVER FOLDER
while kill -0 "$1" 2>/dev/null; do sleep 1; done
kill -QUIT "$2" 2>/dev/null
while kill -0 "$2" 2>/dev/null; do sleep 0.1; done
rm -rf -- "$3"
