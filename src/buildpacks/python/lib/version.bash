# Which Python: what the app asks for, and which interpreter that is.

readonly retry_seconds=21600

# Sets `requested` (a version, or empty) and `origin` (the file that says so).
read_version() {
  requested="" origin=""
  local line
  if [[ -f runtime.txt ]]; then
    read -r line <runtime.txt || true
    line=${line%%[[:space:]]*}
    if [[ ! $line =~ ^python-([0-9]+\.[0-9]+(\.[0-9]+)?)$ ]]; then
      fail "Invalid Python version in runtime.txt." "It must hold one line like:  python-3.13.5" "and holds: $line"
    fi
    requested=${BASH_REMATCH[1]} origin=runtime.txt
  elif [[ -f .python-version ]]; then
    while read -r line || [[ -n $line ]]; do
      line=${line%%#*} line=${line//[[:space:]]/}
      if [[ -n $line ]]; then break; fi
    done <.python-version
    if [[ ! $line =~ ^([0-9]+\.[0-9]+(\.[0-9]+)?)$ ]]; then
      fail "Invalid Python version in .python-version." "It must hold one line like:  3.13" "and holds: $line"
    fi
    requested=$line origin=.python-version
  elif [[ $manager == pipenv ]]; then
    local file text
    for file in Pipfile.lock Pipfile; do
      if [[ ! -f $file ]]; then continue; fi
      text=$(<"$file")
      if [[ $text =~ \"?python_(full_)?version\"?[[:space:]]*[:=][[:space:]]*\"([0-9]+\.[0-9]+(\.[0-9]+)?)\" ]]; then
        requested=${BASH_REMATCH[2]} origin=$file
        break
      fi
    done
  fi
  case $requested in
    2.*) fail "Python $requested is not available: Python 2 has had no support since 2020." "Change the version in $origin to 3.13, for example." ;;
  esac
}

# The stack's own Python, without starting it: `3.13`.
stack_minor() {
  local program
  for program in /usr/bin/python3.*; do
    if [[ $program -ef /usr/bin/python3 && $program != *-* ]]; then printf '%s' "${program##*python}"; fi
  done
}

stack_version() { /usr/bin/python3 -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])'; }

version_line() {
  if [[ -z $requested ]]; then
    printf 'No Python version was specified. Using the current default: Python %s' "$(stack_minor)"
  else
    printf 'Using Python %s specified in %s' "$requested" "$origin"
  fi
}

# Sets `interpreter` (a program), `installed` (its version) and `fallback` (yes: it is not what was asked for).
find_interpreter() {
  fallback=no
  if [[ ! -x /usr/bin/python3 ]]; then
    fail "This installation has no Python." "Ask its operator to install Debian's packages python3 and python3-dev."
  fi
  local own
  own=$(stack_version)
  interpreter=$(readlink -f /usr/bin/python3) installed=$own
  if [[ -z $requested || $requested == "$own" || $requested == "${own%.*}" ]]; then return; fi
  if is_isolated; then install_interpreter; else find_on_host; fi
  if [[ $fallback == yes ]]; then say_fallback "$own"; fi
}

say_fallback() {
  warning "Python $requested (asked for in $origin) cannot be downloaded here: using the stack's Python $1 instead."
}

# uv brings the very version; its interpreters become a part of the app.
install_interpreter() {
  local memory=$cache/python-unavailable-$requested since
  if [[ -f $memory ]]; then
    since=$(<"$memory")
    if [[ $since =~ ^[0-9]+$ ]] && ((EPOCHSECONDS - since < retry_seconds)); then
      fallback=yes
      return
    fi
  fi
  heading "Installing Python $requested"
  local runtime=$HOME/.heroku/runtime
  if [[ ! -d $build/.heroku/runtime && -d $cache/runtime && ! -L $cache/runtime ]]; then
    mkdir -p "$build/.heroku"
    mv "$cache/runtime" "$build/.heroku/runtime"
  fi
  # A server that does not answer must not hold up a classroom without internet.
  if downloads=manual UV_HTTP_TIMEOUT=15 UV_HTTP_RETRIES=0 UV_PYTHON_INSTALL_DIR=$runtime run_uv python install --no-bin --no-registry "$requested" >"$cache/python-install.log"; then
    interpreter=$(UV_PYTHON_INSTALL_DIR=$runtime run_uv python find --managed-python --no-project "$requested")
    installed=$("$interpreter" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
    rm -f "$memory"
    ln -sfn "$build/.heroku/runtime" "$cache/runtime"
  else
    printf '%s' "$EPOCHSECONDS" >"$memory"
    fallback=yes
  fi
}

# Without containers: one of the machine's own Pythons, as the app will find it there when it runs.
find_on_host() {
  local found
  if found=$(UV_PYTHON_PREFERENCE=only-system run_uv python find --no-project --system "$requested" 2>/dev/null) && [[ -x $found ]]; then
    interpreter=$found installed=$("$found" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
  else
    fallback=yes
  fi
}
