import { Type, type Static } from "typebox";

/** The buildpacks that come with the platform; their URL is `urn:buildpack:NAME`, as on Heroku. */
export const BUILT_IN_BUILDPACKS: readonly { name: string; description: string }[] = [
  { name: "heroku/nodejs", description: "Node.js: npm, Yarn or pnpm, from package.json" },
  { name: "heroku/python", description: "Python: pip, Pipenv, Poetry or uv, from the files in the root folder" },
];

export const BUILDPACK_URN = "urn:buildpack:";

/** https://devcenter.heroku.com/articles/platform-api-reference#buildpack-installations */
export const BuildpackInstallation = Type.Object({
  buildpack: Type.Object({ name: Type.String(), url: Type.String() }),
  ordinal: Type.Integer(),
});
export type BuildpackInstallation = Static<typeof BuildpackInstallation>;

export const BuildpackInstallationUpdate = Type.Object({
  updates: Type.Array(Type.Object({ buildpack: Type.Optional(Type.String()) })),
});

/** An entry of the buildpack registry, as `heroku buildpacks:info` and `:search` read it. */
export const RegisteredBuildpack = Type.Object({
  blob_url: Type.String(),
  category: Type.String(),
  description: Type.String(),
  name: Type.String(),
  namespace: Type.String(),
  source: Type.Object({ type: Type.String() }),
  support: Type.Object({ method: Type.String(), address: Type.String() }),
  two_factor_authentication: Type.Boolean(),
});
export type RegisteredBuildpack = Static<typeof RegisteredBuildpack>;

export const BuildpackRevision = Type.Object({
  created_at: Type.String(),
  license: Type.String(),
  release: Type.Integer(),
  status: Type.String(),
});

export const BuildpackReadme = Type.Object({ content: Type.String(), encoding: Type.String() });
