# Dependencies: which files declare them, whether they have changed, and how they are installed.

readonly most_cache_megabytes=1500

# Sets `manager` and `install_command` (what the headings say).
choose_package_manager() {
  if [[ -f Pipfile || -f Pipfile.lock ]]; then
    manager=pipenv install_command="uv pip install -r Pipfile.lock"
    if [[ ! -f Pipfile.lock ]]; then install_command="uv pip install -r Pipfile"; fi
  elif [[ -f requirements.txt ]]; then
    manager=pip install_command="uv pip install -r requirements.txt"
  elif [[ -f poetry.lock ]]; then
    manager=poetry install_command="poetry export --only main | uv pip install"
  elif [[ -f uv.lock ]]; then
    manager=uv install_command="uv sync --locked --no-default-groups"
  elif [[ -f pyproject.toml ]]; then
    manager=pyproject install_command="uv pip install -r pyproject.toml"
  elif [[ -f setup.py ]]; then
    manager=setup install_command="uv pip install -e ."
  else
    fail "Couldn't find any supported Python package manager files." \
      "A Python app must have a 'requirements.txt', 'Pipfile', 'poetry.lock', 'uv.lock' or" \
      "'pyproject.toml' file in the root directory of its source code." \
      "" \
      "If your app already has one, check that it" \
      "" \
      "1. is in the top level directory of the repository (not a subdirectory)," \
      "2. has exactly that spelling (the file names are case-sensitive)," \
      "3. is committed to Git, and not listed in '.gitignore' or '.slugignore'." \
      "" \
      "Without dependencies: create an empty 'requirements.txt'."
  fi
  if [[ -z ${ZARPA_UV:-} ]]; then
    fail "This installation has no uv, which installs Python packages." "Ask its operator to look at the start screen of the platform."
  fi
}

# Sets `dependencies`: what must be the same for the environment to be used again, one line each; and `frozen` (no: always install).
describe_dependencies() {
  frozen=yes
  local files=() name
  for name in Pipfile Pipfile.lock poetry.lock uv.lock pyproject.toml setup.py setup.cfg; do
    case $manager:$name in
      pipenv:Pipfile* | poetry:p* | uv:uv.lock | uv:pyproject.toml | pyproject:pyproject.toml | setup:setup* | setup:pyproject.toml)
        if [[ -f $name ]]; then files+=("$name"); fi
        ;;
    esac
  done
  if [[ $manager == pip ]]; then read_requirements requirements.txt; fi
  local text
  case $manager in
    poetry | uv | pyproject)
      text=$(cat -- "${files[@]}")
      # Folders of the app that are installed as packages: their code may have changed when no lock file has.
      if [[ $text =~ (directory|path)\ =\  || $text == *'type = "directory"'* ]]; then frozen=no; fi
      if ! is_isolated && [[ $text == *"[build-system]"* ]]; then frozen=no; fi
      ;;
    setup) if ! is_isolated; then frozen=no; fi ;;
  esac
  local sum
  sum=$(sha256sum -- "${files[@]}" </dev/null)
  dependencies="package manager: $manager
Python version: ${requested:-default} $(stack_minor)
stack: $STACK
dependencies: ${sum//$'\n'/ }"
}

# Adds a requirements file, and those that it includes, to `files`.
read_requirements() {
  local line target folder=${1%/*}
  if [[ $folder == "$1" ]]; then folder=.; fi
  if [[ ! -f $1 || " ${files[*]} " == *" $1 "* ]]; then return; fi
  files+=("$1")
  while read -r line || [[ -n $line ]]; do
    line=${line%$'\r'}
    if [[ $line =~ ^(-r|-c|--requirement|--constraint)[=[:space:]]*([^[:space:]#]+) ]]; then
      target=${BASH_REMATCH[2]}
      if [[ $folder != . ]]; then target=$folder/$target; fi
      read_requirements "$target"
    elif [[ $line =~ ^(-e|--editable)[=[:space:]] || $line =~ ^\.{1,2}(/|$) || $line == *file:* ]]; then
      # Code of the app itself is installed: it may have changed when the requirements have not.
      frozen=no
    fi
  done <"$1"
}

# Moves the environment of the last build back; sets `restored`.
restore_environment() {
  restored=no
  if [[ ! -d $cache/python || -L $cache/python ]]; then return; fi
  local known="" line
  if [[ -f $cache/python/.dependencies ]]; then known=$(<"$cache/python/.dependencies"); fi
  if [[ $known == "$dependencies" && $frozen == yes ]] && ! fallback_is_old; then
    heading "Restoring cache"
    if [[ -e $venv ]]; then rm -rf "$venv"; fi
    if [[ ! -d .heroku ]]; then mkdir .heroku; fi
    mv "$cache/python" "$venv"
    restored=yes
    heading "Using cached install of Python $(<"$venv/.version")"
    if [[ -f $venv/.fallback ]]; then say_fallback "$(<"$venv/.version")"; fi
    if [[ -d $cache/runtime && ! -L $cache/runtime && $(<"$venv/.managed") == yes ]]; then
      rm -rf .heroku/runtime
      mv "$cache/runtime" .heroku/runtime
      ln -sfn "$build/.heroku/runtime" "$cache/runtime"
    fi
    return
  fi
  if [[ $known != "$dependencies" ]]; then
    heading "Discarding cache since:"
    while read -r line; do
      if [[ $'\n'$known$'\n' != *$'\n'"$line"$'\n'* ]]; then detail "- The ${line%%:*} changed"; fi
    done <<<"$dependencies"
  fi
  rm -rf "$cache/python"
}

# The stack's Python stands in for another one, and it is time to try to download that again.
fallback_is_old() {
  local memory=$cache/python-unavailable-$requested
  if [[ ! -f $cache/python/.fallback ]]; then return 1; fi
  [[ ! -f $memory ]] || ((EPOCHSECONDS - $(<"$memory") >= retry_seconds))
}

make_environment() {
  find_interpreter
  rm -rf "$venv"
  run_uv venv --quiet --no-project --relocatable --python "$interpreter" "$venv" | indent ||
    fail "The Python environment could not be made with $interpreter."
  printf '%s' "$installed" >"$venv/.version"
  if [[ $fallback == yes ]]; then : >"$venv/.fallback"; fi
  local managed=no
  if [[ $interpreter == "$HOME"/.heroku/runtime/* ]]; then managed=yes; fi
  printf '%s' "$managed" >"$venv/.managed"
  heading "Using Python $installed and $("$ZARPA_UV" --version | cut -d ' ' -f 1-2)"
}

install_dependencies() {
  heading "Installing dependencies using '$install_command'"
  local python=$venv/bin/python list=$cache/requirements.txt
  case $manager in
    pip)
      must_install pip install --python "$python" -r requirements.txt
      ;;
    pipenv)
      if [[ ! -f Pipfile.lock ]]; then
        warning "There is no Pipfile.lock: the newest versions are installed, whatever you have tested with." \
          "Run 'pipenv lock' and commit the Pipfile.lock."
      fi
      /usr/bin/python3 -I -B "$lib/pipfile.py" >"$list" || fail "Pipfile.lock cannot be read." "Run 'pipenv lock' and commit the file."
      must_install pip install --python "$python" -r "$list"
      ;;
    poetry)
      run_uv tool run --python /usr/bin/python3 --from poetry --with poetry-plugin-export poetry export --only main --output "$list" | indent ||
        fail "Unable to read poetry.lock." "See the log output above. If the lock file is older than pyproject.toml," "run 'poetry lock' and commit it."
      must_install pip install --python "$python" -r "$list"
      install_project
      ;;
    uv)
      local options=()
      if ! is_isolated; then options+=(--no-editable); fi
      (cd "$HOME" && must_install sync --locked --no-default-groups --python "$python" "${options[@]}")
      ;;
    pyproject)
      warning "There is no lock file: the newest versions are installed, whatever you have tested with." \
        "Run 'uv lock' and commit the uv.lock."
      must_install pip install --python "$python" -r pyproject.toml
      ;;
    setup)
      install_project
      ;;
  esac
  # For hooks and for `heroku run pip list`.
  UV_COMPILE_BYTECODE=0 run_uv pip install --quiet --python "$python" pip >/dev/null || warning "pip could not be installed."
}

must_install() {
  run_uv "$@" | indent && return
  fail "Unable to install dependencies using uv." "See the log output above: its last lines name the package and the cause."
}

# The app as a package of its own; in a container it is found where it lies.
install_project() {
  local options=(--no-deps)
  if [[ $manager == setup ]]; then options=(); fi
  if [[ $manager == poetry && $(<pyproject.toml) =~ package-mode[[:space:]]*=[[:space:]]*false ]]; then return; fi
  if is_isolated; then options+=(--editable); fi
  if (cd "$HOME" && run_uv pip install --python "$venv/bin/python" "${options[@]}" .) | indent; then return; fi
  if [[ $manager == setup ]]; then fail "The app's own setup.py could not be installed." "See the log output above."; fi
  warning "The project itself is not installed as a package (see above); its modules are imported from the app's folder."
}

# Programs of a relocatable environment start three helpers, each time, to find their Python; in a container it has its place.
pin_programs() {
  if ! is_isolated; then return; fi
  local programs
  mapfile -t programs < <(grep -lIs "^'''exec' \"\$(dirname " "$venv"/bin/*)
  if ((${#programs[@]} == 0)); then return; fi
  sed -i -e "1{/^#!\/bin\/sh$/{N;N;s|^.*$|#!$HOME/.heroku/python/bin/python|}}" "${programs[@]}"
}

# From now on a failure loses nothing of what was installed.
save_environment() {
  # What versions of long ago have left behind is not worth the disk.
  if [[ -d $cache/uv ]] && (($(du -sm "$cache/uv" | cut -f 1) > most_cache_megabytes)); then rm -rf "$cache/uv"; fi
  printf '%s' "$dependencies" >"$venv/.dependencies"
  heading "Saving cache"
}

keep_environment() { ln -sfn "$venv" "$cache/python"; }

write_profile() {
  if [[ ! -d .profile.d ]]; then mkdir .profile.d; fi
  printf '%s\n' "$(<"$1")" >.profile.d/python.sh
}

# For the buildpacks that come after this one.
write_export() {
  printf 'export PATH="%s/bin:$PATH" PYTHONUNBUFFERED=1\n' "$venv" >"$lib/../export"
}
