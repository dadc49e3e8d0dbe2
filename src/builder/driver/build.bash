#!/bin/bash
# One build, inside the sandbox: choose the buildpacks, detect, compile each, release of the last. Constant text; what differs comes as
# arguments. What the platform reads afterwards is written into RESULT_DIR; everything printed is the build's output.
#
#   build.bash BUILD_DIR CACHE_DIR ENV_DIR RESULT_DIR COPIES_DIR set  NAME FOLDER [NAME FOLDER]...
#   build.bash BUILD_DIR CACHE_DIR ENV_DIR RESULT_DIR COPIES_DIR find [NAME FOLDER]... -- NAME FOLDER [NAME FOLDER]...
#
# `set`: these buildpacks, in this order. `find`: those of the last build when they still detect the app, else the first one after `--`
# that does.
set -u -o pipefail

build=$1 cache=$2 env_dir=$3 result=$4 copies=$5 mode=$6
shift 6
names=() folders=() answers=()
# Without this the sandbox itself has failed, not the app.
printf 'started\n' >"$result/started"

heading() { printf -- '-----> %s\n' "$1"; }

# What the platform says when this script ends without success: a word, and the buildpack's answer or name.
stop() {
  printf '%s\n%s\n' "$1" "$2" >"$result/failure"
  exit 1
}

# Runs bin/detect of FOLDER; the first line of what it prints goes to `answer`.
detect() {
  [[ -x $1/bin/detect ]] || return 1
  answer=$("$1/bin/detect" "$build" </dev/null) || return 1
  answer=${answer%%$'\n'*}
}

announce() {
  if ((${#names[@]} == 1)); then
    heading "Using buildpack: ${names[0]}"
    return
  fi
  heading "Using buildpacks:"
  local index
  for index in "${!names[@]}"; do printf '       %d. %s\n' $((index + 1)) "${names[index]}"; done
}

if [[ $mode == set ]]; then
  while (($# > 0)); do
    names+=("$1") folders+=("$2")
    shift 2
  done
  announce
  for index in "${!names[@]}"; do
    if [[ ! -x ${folders[index]}/bin/detect || ! -x ${folders[index]}/bin/compile ]]; then stop broken "${names[index]}"; fi
    detect "${folders[index]}" || stop incompatible "${names[index]}"
    answers+=("$answer")
  done
else
  while [[ $1 != -- ]]; do
    if [[ $mode == find ]] && detect "$2" 2>/dev/null; then
      names+=("$1") folders+=("$2") answers+=("$answer")
    else
      mode=search names=() folders=() answers=()
    fi
    shift 2
  done
  shift
  if ((${#names[@]} > 0)); then
    announce
  else
    heading "Determining which buildpack to use for this app"
    while (($# > 0)); do
      if detect "$2" 2>/dev/null; then
        names=("$1") folders=("$2") answers=("$answer")
        break
      fi
      shift 2
    done
    if ((${#names[@]} == 0)); then stop undetected ""; fi
  fi
fi
printf '%s\n' "${names[@]}" >"$result/buildpacks"

for index in "${!names[@]}"; do
  copy=$copies/$index
  # A buildpack may write into its own folder (`export`): it runs from a copy.
  cp -R "${folders[index]}" "$copy" || stop broken "${names[index]}"
  heading "${answers[index]} app detected"
  printf '%s\n' "${answers[index]}" >"$result/description"
  "$copy/bin/compile" "$build" "$cache" "$env_dir" </dev/null || stop compile "${answers[index]}"
  last=$copy
  if [[ -f $copy/export ]]; then
    set +u
    # shellcheck disable=SC1091
    source "$copy/export"
    set -u
  fi
done

if [[ -x $last/bin/release ]]; then
  "$last/bin/release" "$build" </dev/null >"$result/release" || stop release "${answers[-1]}"
fi
if [[ -f $build/Procfile ]]; then
  IFS= read -r -d '' -n 1000000 text <"$build/Procfile"
  printf '%s' "$text" >"$result/Procfile"
fi
printf 'done\n' >"$result/done"
