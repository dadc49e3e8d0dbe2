# node_modules: installed, built with, and without what only development needs.

has_script() { [[ " ${plan[scripts]} " == *" $1 "* ]]; }

# Whether the app's own scripts run during the build: they may need development packages.
has_build_scripts() {
  local name
  for name in build heroku-prebuild heroku-postbuild heroku-cleanup; do
    if has_script "$name"; then return 0; fi
  done
  [[ -n ${plan[lifecycle]} ]]
}

# `npm run`, or the same of the app's package manager.
run_script() {
  if ! has_script "$1"; then return; fi
  heading "$2"
  detail "Running $1"
  blank
  as_app "$(script_runner)" run "$1" | indent || fail "The script \"$1\" of package.json has failed." "See its output above: the last lines name the cause."
}

script_runner() {
  case ${plan[manager]} in
    yarn | berry) printf yarn ;;
    *) printf '%s' "${plan[manager]}" ;;
  esac
}

# Moves node_modules back when it was installed from the same files; sets `restored`.
restore_packages() {
  restored=no
  if [[ -L $cache/node_modules || ! -d $cache/node_modules ]]; then return; fi
  if [[ $NODE_MODULES_CACHE == false || ${plan[workspaces]} == true || -z ${plan[lock]} || -e node_modules ]]; then
    rm -rf "$cache/node_modules"
  elif [[ -f $cache/node_modules.key && $(<"$cache/node_modules.key") == "${plan[key]}" ]]; then
    mv "$cache/node_modules" node_modules
    restored=yes
  else
    rm -rf "$cache/node_modules"
  fi
}

install_packages() {
  if [[ -d node_modules ]]; then
    warning "node_modules is checked into source control: it is installed anew." \
      "Remove it:  git rm -r --cached node_modules && echo node_modules >> .gitignore"
    rm -rf node_modules
  fi
  restore_packages
  heading "Installing dependencies"
  if [[ $restored == yes ]]; then
    detail "Using the cached node modules: package.json and ${plan[lock]} have not changed"
    local name
    for name in ${plan[lifecycle]}; do
      as_app "$(script_runner)" run "$name" | indent || fail "The script \"$name\" of package.json has failed." "See its output above."
    done
  else
    detail "Installing node modules"
    blank
    rm -f "$cache/node_modules.key"
    install_with "${plan[manager]}" | indent || explain_install
    forget_old_downloads
    blank
  fi
  # From now on a failure loses nothing of what was installed.
  if [[ -d node_modules && ! -L node_modules ]]; then
    printf '%s' "${plan[key]}" >"$cache/node_modules.key"
    rm -f "$cache/node_modules.omit"
    ln -sfn "$build/node_modules" "$cache/node_modules"
  fi
}

install_with() {
  case $1 in
    npm)
      if [[ -n ${plan[lock]} ]]; then
        as_app npm ci --include=dev
      else
        warning "There is no package-lock.json: the newest versions are installed, whatever you have tested with." "Run 'npm install' and commit the package-lock.json."
        as_app npm install --include=dev --no-package-lock
      fi
      ;;
    yarn)
      local options=(--frozen-lockfile --ignore-engines --prefer-offline --non-interactive --no-progress)
      if needs_dev; then options+=(--production=false); else options+=(--production=true); fi
      as_app yarn install "${options[@]}"
      ;;
    berry)
      # Without node_modules the app runs from Yarn's cache: that must be a folder of the app.
      if [[ ! $(cat .yarnrc.yml 2>/dev/null) =~ nodeLinker:\ *[\"\']?node-modules ]]; then unset YARN_CACHE_FOLDER; fi
      as_app yarn install --immutable
      ;;
    pnpm)
      local options=(--reporter=append-only "--store-dir=$cache/pnpm")
      if [[ -n ${plan[lock]} ]]; then options+=(--frozen-lockfile); else options+=(--no-frozen-lockfile); fi
      if needs_dev; then options+=(--prod=false); else options+=(--prod); fi
      as_app pnpm install "${options[@]}"
      ;;
  esac
}

# What versions of long ago have left behind is not worth the disk.
forget_old_downloads() {
  local folder
  for folder in npm yarn pnpm; do
    if [[ -d $cache/$folder ]] && (($(du -sm "$cache/$folder" | cut -f 1) > 1500)); then rm -rf "${cache:?}/$folder"; fi
  done
}

needs_dev() { [[ ${plan[has_dev]} == true ]] && has_build_scripts; }

explain_install() {
  fail "Unable to install the packages with ${plan[manager]}." "See the log output above: its last lines name the package and the cause." \
    "When the lock file does not fit package.json, install once on your machine and commit both."
}

run_build() {
  if has_script heroku-postbuild; then
    run_script heroku-postbuild "Build"
  elif has_script build; then
    run_script build "Build"
  fi
}

# The slug goes without development packages; the next build has them again.
leave_out_dev_packages() {
  if [[ ${plan[has_dev]} != true || ! -d node_modules ]]; then return; fi
  if [[ ${NPM_CONFIG_PRODUCTION:-} == false && ${plan[manager]} == npm || ${YARN_PRODUCTION:-} == false && ${plan[manager]} == yarn ]]; then return; fi
  if [[ $NODE_ENV != production ]]; then
    heading "Skipping because NODE_ENV is not 'production'"
    return
  fi
  heading "Pruning devDependencies"
  case ${plan[manager]} in
    npm)
      "$ZARPA_NODE/node" --no-warnings "$lib/plan.ts" dev-paths node_modules >"$cache/node_modules.omit"
      detail "Packages left out of the slug: $(grep -c -v '^\.bin/' "$cache/node_modules.omit" || true)"
      ;;
    yarn)
      if needs_dev; then prune yarn install --production --ignore-scripts --frozen-lockfile --ignore-engines --prefer-offline --non-interactive --no-progress; fi
      ;;
    berry)
      prune yarn workspaces focus --all --production
      ;;
    pnpm)
      if needs_dev; then prune pnpm prune --prod --ignore-scripts; fi
      ;;
  esac
}

# The folder no longer holds what the build needs: the next one installs again, from the manager's own cache.
prune() {
  rm -f "$cache/node_modules.key"
  as_app "$@" | indent || fail "The development packages could not be pruned." "See the log output above."
}
