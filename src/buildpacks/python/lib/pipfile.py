"""Prints the requirements that Pipfile.lock (or a Pipfile without lock) declares, in pip's format. Runs in the app's folder."""

import hashlib
import json
import os
import sys
import tomllib


def expand(url):
    """Credentials in a source's URL may be config vars: ${NAME}."""
    return os.path.expandvars(url)


def requirement(name, entry):
    """One line without hashes: a version, a Git repository, a file, or a folder of the app."""
    if isinstance(entry, str):
        entry = {"version": entry}
    extras = "[" + ",".join(entry["extras"]) + "]" if entry.get("extras") else ""
    if "path" in entry or "file" in entry:
        place = entry.get("path") or entry["file"]
        line = "-e " + place if entry.get("editable") else place
    elif "git" in entry:
        ref = "@" + entry["ref"] if entry.get("ref") else ""
        sub = "#subdirectory=" + entry["subdirectory"] if entry.get("subdirectory") else ""
        line = f"{name}{extras} @ git+{entry['git'].removeprefix('git+')}{ref}{sub}"
    else:
        version = entry.get("version", "*")
        line = name + extras + ("" if version == "*" else version)
    markers = [entry["markers"]] if entry.get("markers") else []
    markers += [f"{key} {entry[key]}" for key in ("sys_platform", "platform_system", "os_name") if key in entry]
    if markers and not line.startswith("-e"):
        line += " ; " + " and ".join(f"({marker})" for marker in markers)
    return line


def is_current(lock):
    """Whether the lock was made from the Pipfile beside it (pipenv's own hash of it)."""
    if not os.path.exists("Pipfile"):
        return True
    with open("Pipfile", "rb") as file:
        pipfile = tomllib.load(file)
    # A Pipfile without sources means the public index, which pipenv writes into the lock's sources.
    sources = pipfile.get("source") or lock["_meta"].get("sources")
    if not sources:
        return True
    data = {
        "_meta": {"sources": sources, "requires": pipfile.get("requires", {})},
        "default": pipfile.get("packages", {}),
        "develop": pipfile.get("dev-packages", {}),
    }
    for name, value in pipfile.items():
        if name not in ("source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv"):
            data[name] = value
    content = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest() == lock["_meta"].get("hash", {}).get("sha256")


def main():
    if os.path.exists("Pipfile.lock"):
        with open("Pipfile.lock", encoding="utf-8") as file:
            lock = json.load(file)
        sources, packages = lock["_meta"].get("sources", []), lock.get("default", {})
        if not is_current(lock):
            print(" !     Pipfile.lock was not made from this Pipfile. Run 'pipenv lock' and commit it.", file=sys.stderr)
    else:
        with open("Pipfile", "rb") as file:
            pipfile = tomllib.load(file)
        sources, packages = pipfile.get("source", []), pipfile.get("packages", {})
    for index, source in enumerate(sources):
        print("--index-url" if index == 0 else "--extra-index-url", expand(source["url"]))
    hashed = all(isinstance(entry, dict) and entry.get("hashes") for entry in packages.values())
    for name, entry in packages.items():
        line = requirement(name, entry)
        print(line + "".join(f" --hash={value}" for value in entry["hashes"]) if hashed else line)


main()
