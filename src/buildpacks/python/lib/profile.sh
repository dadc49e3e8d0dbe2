# Written by the Python buildpack; read by bash when a dyno starts.
export PATH="$HOME/.heroku/python/bin:$PATH"
export PYTHONUNBUFFERED=true
export PYTHONPATH="${PYTHONPATH:-$HOME}"
export LANG="${LANG:-C.UTF-8}"
unset PYTHONHOME
# gunicorn and uvicorn believe the router's X-Forwarded headers.
export FORWARDED_ALLOW_IPS="${FORWARDED_ALLOW_IPS:-*}"
export GUNICORN_CMD_ARGS="${GUNICORN_CMD_ARGS:---access-logfile -}"
# As many worker processes as fit, 256 MB each, and as make sense on these processors.
if [ -z "${WEB_CONCURRENCY:-}" ]; then
  WEB_CONCURRENCY=$((${DYNO_RAM:-512} / 256))
  # Three make sense on one processor: only for more it is worth asking how many there are.
  if [ "$WEB_CONCURRENCY" -gt 3 ]; then
    _cpus=$(nproc 2>/dev/null || echo 1)
    if [ "$WEB_CONCURRENCY" -gt $((_cpus * 2 + 1)) ]; then WEB_CONCURRENCY=$((_cpus * 2 + 1)); fi
    unset _cpus
  fi
  if [ "$WEB_CONCURRENCY" -lt 1 ]; then WEB_CONCURRENCY=1; fi
  export WEB_CONCURRENCY
fi
