// What each room of lib/ may import; the rooms and their layers are in scripts/layers.js. `npm run lint` names the rule that is broken.
const { layers } = require("./scripts/layers.js");

const pathsOf = (some) => some.flatMap(({ paths }) => paths);
const [fronts] = layers;

const noUpwardImports = layers.slice(1).map(({ name, paths }, above) => ({
  name: `${name.replace(/,? /g, "-")}-use-nothing-above`,
  comment: `${name} may not know what is built on them: move what both need down, or hand it over as an argument.`,
  severity: "error",
  from: { path: paths },
  to: { path: pathsOf(layers.slice(0, above + 1)) },
}));

module.exports = {
  forbidden: [
    {
      name: "no-circles",
      comment: "Files that need each other, even by types alone, are one file, or lack a third one with what both need.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    ...noUpwardImports,
    {
      name: "fronts-use-doors",
      comment: "A front is built as a user's program would be: what it needs of engine, checkpoint or catalog, a door exports.",
      severity: "error",
      from: { path: fronts.paths },
      to: { path: "^lib/(engine|checkpoint|catalog)/" },
    },
    {
      name: "every-file-in-a-room",
      comment: "A file that is in no layer is bound by no rule: give it a room, or name the new room in scripts/layers.js.",
      severity: "error",
      from: { path: "^lib/", pathNot: pathsOf(layers) },
      to: {},
    },
    {
      name: "no-imports-of-tests",
      comment: "The package holds lib/ alone.",
      severity: "error",
      from: { path: "^lib/" },
      to: { path: "^(test|bench|examples|scripts)/" },
    },
  ],
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: "tsconfig.json" }, doNotFollow: { path: "node_modules" } },
};
