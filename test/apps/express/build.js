// The build script: it needs a development dependency, as real ones do.
const { writeFileSync } = require("node:fs");
const kleur = require("kleur");

writeFileSync("built.txt", "built with development dependencies\n");
console.log(kleur.green("The build script has run"));
