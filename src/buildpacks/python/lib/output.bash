# What the build prints, in the shape of Heroku's buildpacks.

heading() { printf -- '-----> %s\n' "$1"; }

detail() { printf '       %s\n' "$@"; }

warning() { printf ' !     %s\n' "$@"; }

indent() { sed -u 's/^/       /'; }

# The cause, then what to do, one argument a line; the build ends.
fail() {
  printf '\n !     Error: %s\n' "$1"
  shift
  local line
  for line in "$@"; do printf ' !     %s\n' "$line"; done
  printf '\n'
  exit 1
}
