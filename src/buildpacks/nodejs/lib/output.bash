# What the build prints, in the shape of Heroku's buildpack.

heading() { printf -- '-----> %s\n' "$1"; }

detail() { printf '       %s\n' "$@"; }

warning() { printf ' !     %s\n' "$@"; }

blank() { printf '       \n'; }

indent() { sed -u 's/^/       /'; }

# The cause, then what to do, one argument a line; the build ends.
fail() {
  printf '\n-----> Build failed\n\n'
  local line
  for line in "$@"; do printf ' !     %s\n' "$line"; done
  printf '\n'
  exit 1
}
