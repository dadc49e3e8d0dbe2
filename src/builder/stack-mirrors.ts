import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Source {
  uri: string;
  suites: string[];
  components: string[];
}

/**
 * The package mirrors of a Debian host, as `sources.list` lines for another suite of Debian: a machine that was given a mirror of its
 * own builds its stack from there. Empty on other distributions: mmdebstrap then takes its default.
 */
export function hostMirrors(etc: string, suite: string): string[] {
  const release = join(etc, "os-release");
  const facts = existsSync(release) ? readFileSync(release, "utf8") : "";
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(facts)?.[1];
  if (!/^ID="?debian"?$/m.test(facts) || codename === undefined) return [];
  const sources = aptSources(join(etc, "apt"));
  const uriOf = (hostSuite: string): string | undefined =>
    sources.find((source) => source.suites.includes(hostSuite) && source.components.includes("main"))?.uri;
  const main = uriOf(codename);
  if (main === undefined) return [];
  const updates = uriOf(`${codename}-updates`);
  const security = uriOf(`${codename}-security`);
  return [
    `deb ${main} ${suite} main`,
    ...(updates === undefined ? [] : [`deb ${updates} ${suite}-updates main`]),
    ...(security === undefined ? [] : [`deb ${security} ${suite}-security main`]),
  ];
}

function aptSources(folder: string): Source[] {
  const parts = join(folder, "sources.list.d");
  const files = existsSync(parts)
    ? readdirSync(parts)
        .toSorted()
        .map((name) => join(parts, name))
    : [];
  const list = join(folder, "sources.list");
  if (existsSync(list)) files.unshift(list);
  return files.flatMap((file) => {
    if (file.endsWith(".list")) return oneLineSources(readFileSync(file, "utf8"));
    return file.endsWith(".sources") ? deb822Sources(readFileSync(file, "utf8")) : [];
  });
}

/** `deb [options] uri suite component…`, sources.list(5). */
function oneLineSources(text: string): Source[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    const [, uri, suite, components] = match ?? [];
    if (uri === undefined || suite === undefined || components === undefined) return [];
    return [{ uri, suites: [suite], components: components.trim().split(/\s+/) }];
  });
}

/** Paragraphs of `Field: value`, separated by empty lines. */
function deb822Sources(text: string): Source[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields = new Map<string, string[]>();
    for (const line of paragraph.split("\n")) {
      const match = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
      if (match?.[1] !== undefined) fields.set(match[1].toLowerCase(), (match[2] ?? "").split(/\s+/).filter(Boolean));
    }
    const [uri] = fields.get("uris") ?? [];
    if (uri === undefined || !fields.get("types")?.includes("deb") || fields.get("enabled")?.[0] === "no") return [];
    return [{ uri, suites: fields.get("suites") ?? [], components: fields.get("components") ?? [] }];
  });
}
