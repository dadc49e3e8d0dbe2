#!/bin/bash
# Clones a buildpack's repository, inside the sandbox: fetch-buildpack.bash FOLDER URL [BRANCH]. The result is FOLDER/current.
set -u

folder=$1 url=$2 branch=$3
export GIT_TERMINAL_PROMPT=0 GIT_ALLOW_PROTOCOL=http:https:git
# No configuration has a say: HOME is the app's folder in a build, and a .gitconfig in it can run programs.
export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
rm -rf "$folder/new"
options=(--quiet --depth 1 --recurse-submodules --shallow-submodules)
if [[ -n $branch ]]; then options+=("--branch=$branch"); fi
git clone "${options[@]}" -- "$url" "$folder/new" || exit 1
rm -rf "$folder/new/.git" "$folder/current"
mv "$folder/new" "$folder/current"
