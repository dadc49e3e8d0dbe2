# The environment of the programs that a build runs.

readonly denied=" PATH HOME TMPDIR IFS ENV BASH_ENV SHELLOPTS BASHOPTS PS4 LD_PRELOAD LD_LIBRARY_PATH NODE_OPTIONS GIT_DIR \
ZARPA_NODE ZARPA_NPM "

# Exports the app's config vars (one file each in ENV_DIR) and the defaults that Node apps have on Heroku.
export_config_vars() {
  local file name
  for file in "$env_dir"/*; do
    name=${file##*/}
    if [[ ! -f $file || $denied == *" $name "* || ! $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]]; then continue; fi
    # Some names are read-only in bash (UID), others are this script's own: they stay what they are.
    if [[ -v $name && $name == [a-z]* ]]; then continue; fi
    export "$name=$(<"$file")" 2>/dev/null || true
  done
  # The user's options are for the app, and for the build when they name themselves so.
  if [[ -f $env_dir/NODE_OPTIONS ]]; then build_options=$(<"$env_dir/NODE_OPTIONS"); fi
  export NODE_ENV="${NODE_ENV:-production}" NPM_CONFIG_LOGLEVEL="${NPM_CONFIG_LOGLEVEL:-error}"
  export NODE_MODULES_CACHE="${NODE_MODULES_CACHE:-true}" NODE_VERBOSE="${NODE_VERBOSE:-false}"
  export npm_config_cache="$cache/npm" npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
  export npm_config_progress=false npm_config_color=false NO_COLOR=1 COREPACK_ENABLE_DOWNLOAD_PROMPT=0 CI="${CI:-true}"
  export YARN_CACHE_FOLDER="$cache/yarn" YARN_ENABLE_GLOBAL_CACHE=false YARN_ENABLE_TELEMETRY=0
}

show_environment() {
  blank
  heading "Creating runtime environment"
  blank
  detail "NPM_CONFIG_LOGLEVEL=$NPM_CONFIG_LOGLEVEL" "NODE_VERBOSE=$NODE_VERBOSE" "NODE_ENV=$NODE_ENV" "NODE_MODULES_CACHE=$NODE_MODULES_CACHE"
  blank
}

# Runs a program with the app's own Node first in PATH.
as_app() (
  export PATH="$node_home/bin:$build/node_modules/.bin:$PATH" npm_config_nodedir=""
  if [[ -d $node_home/include/node ]]; then export npm_config_nodedir="$node_home"; else unset npm_config_nodedir; fi
  if [[ -n ${build_options:-} ]]; then export NODE_OPTIONS=$build_options; fi
  "$@" 2>&1
)

# The platform's own Node and npm, for the time before the app has its own.
bootstrap_npm() { PATH="$ZARPA_NODE:$PATH" "$ZARPA_NODE/node" "$ZARPA_NPM/bin/npm-cli.js" "$@"; }

write_profile() {
  if [[ ! -d .profile.d ]]; then mkdir .profile.d; fi
  printf '%s\n' "$(<"$lib/profile.sh")" >.profile.d/nodejs.sh
}

# For the buildpacks that come after this one.
write_export() {
  printf 'export PATH="%s/bin:%s/node_modules/.bin:$PATH" NODE_HOME="%s"\n' "$node_home" "$build" "$node_home" >"$lib/../export"
}
