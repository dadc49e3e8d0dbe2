# `manage.py collectstatic`, as Django apps on Heroku have it.

collect_static_files() {
  local packages=("$venv"/lib/python3*/site-packages/django)
  if [[ ! -d ${packages[0]} ]]; then return; fi
  local manage
  manage=$(find . -maxdepth 3 -type f -name manage.py -not -path './.heroku/*' -printf '%d %P\n' | sort -n | head -n 1)
  manage=${manage#* }
  if [[ -z $manage ]]; then return; fi
  local disabled
  disabled=$(config_var DISABLE_COLLECTSTATIC)
  if [[ -n $disabled && $disabled != 0 ]]; then
    heading "Skipping Django collectstatic since the env var DISABLE_COLLECTSTATIC is set."
    return
  fi
  heading "\$ python $manage collectstatic --noinput"
  local log
  log=$(mktemp)
  if as_app python "$manage" collectstatic --noinput --traceback 2>&1 | tee "$log" | sed -u '/^$/d; s/^/       /'; then return; fi
  local text
  text=$(<"$log")
  case $text in
    *"Unknown command: 'collectstatic'"*)
      detail "Skipped: django.contrib.staticfiles is not one of the INSTALLED_APPS."
      return
      ;;
    *"without having set the STATIC_ROOT setting"*)
      warning "Static files are not collected: the settings have no STATIC_ROOT." \
        "If the app has any, set it:  STATIC_ROOT = BASE_DIR / \"staticfiles\""
      return
      ;;
    *SECRET_KEY*)
      warning "The settings need SECRET_KEY while the app is built, too." "Set it:  heroku config:set SECRET_KEY=…"
      ;;
  esac
  fail "Unable to generate Django static files." \
    "The 'python $manage collectstatic --noinput' Django" \
    "management command to generate static files failed." \
    "" \
    "See the traceback above for details." \
    "" \
    "You may need to update application code to resolve this error." \
    "Or, you can disable collectstatic for this application:" \
    "" \
    "   \$ heroku config:set DISABLE_COLLECTSTATIC=1" \
    "" \
    "https://devcenter.heroku.com/articles/django-assets"
}
