# The environment of the programs that a build runs.

# Config vars that would change how this script works, instead of what the app does.
readonly denied=" PATH HOME TMPDIR IFS ENV BASH_ENV SHELLOPTS BASHOPTS PS4 LD_PRELOAD LD_LIBRARY_PATH PYTHONHOME PYTHONPATH VIRTUAL_ENV \
GIT_DIR UV_CACHE_DIR UV_PYTHON UV_PROJECT_ENVIRONMENT ZARPA_UV "

# Exports the app's config vars, one file each in ENV_DIR.
export_config_vars() {
  local file name
  for file in "$env_dir"/*; do
    name=${file##*/}
    if [[ ! -f $file || $denied == *" $name "* || ! $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]]; then continue; fi
    # Some names are read-only in bash (UID): they stay what they are.
    export "$name=$(<"$file")" 2>/dev/null || true
  done
}

config_var() { if [[ -f $env_dir/$1 ]]; then printf '%s' "$(<"$env_dir/$1")"; fi; }

# Runs a program of the app: with its config vars and its Python first in PATH.
as_app() (
  export_config_vars
  export PATH="$HOME/.heroku/python/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONPATH="${PYTHONPATH:-$build}"
  "$@"
)

# Runs uv with the cache of this app and the indexes that pip would use.
run_uv() (
  export_config_vars
  export UV_CACHE_DIR="$cache/uv" UV_NO_PROGRESS=1 NO_COLOR=1 VIRTUAL_ENV="$venv"
  export UV_PYTHON_DOWNLOADS="${downloads:-never}"
  export UV_PROJECT_ENVIRONMENT="$venv" UV_COMPILE_BYTECODE="${UV_COMPILE_BYTECODE:-1}" UV_TOOL_DIR="$cache/uv-tools"
  # All indexes are looked at, as pip does: a package of the extra index may have an older namesake in the first.
  export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}"
  if [[ -n ${PIP_INDEX_URL:-} ]]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"; fi
  if [[ -n ${PIP_EXTRA_INDEX_URL:-} ]]; then export UV_INDEX="${UV_INDEX:-$PIP_EXTRA_INDEX_URL}"; fi
  "$ZARPA_UV" "$@" 2>&1
)

# Only in a container the app lies at the same path while it is built and while it runs.
is_isolated() { [[ $HOME == /app ]]; }
