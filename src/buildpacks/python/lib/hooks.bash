# bin/pre_compile and bin/post_compile of the app.

run_hook() {
  if [[ ! -f $1 ]]; then return; fi
  heading "Running $1 hook"
  chmod +x "$1"
  as_app "$1" 2>&1 | indent || fail "The $1 script has failed." "See its output above."
}
