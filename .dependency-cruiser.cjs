// The layers of lib/, from the top: each room uses its own layer and those below. docs/architecture.md shows the same.
const doors = "index|model|models|upscaler|convert|inspect|devices|reproduce";
const layers = [
  ["fronts", "^lib/(cli|server|page|queue|mcp)/"],
  ["doors", `^lib/(${doors})\\.ts$`],
  ["run and memory", "^lib/(run|memory)/"],
  ["checkpoint, options and picture", "^lib/(checkpoint|options|picture)/"],
  ["catalog", "^lib/catalog/"],
  ["engine", "^lib/engine/"],
  ["errors and types", "^lib/(errors\\.ts$|types/)"],
];

const noUpwardImports = layers.slice(1).map(([name, path], below) => ({
  name: `${name}-use-nothing-above`.replace(/,? /g, "-"),
  comment: `${name} may not know what is built on them: move what both need down, or hand it over as an argument.`,
  severity: "error",
  from: { path },
  to: { path: layers.slice(0, below + 1).map(([, above]) => above) },
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
      from: { path: layers[0][1] },
      to: { path: "^lib/(engine|checkpoint|catalog)/" },
    },
    {
      name: "every-file-in-a-room",
      comment: "A file that is in no layer is bound by no rule: give it a room, or name the new room in .dependency-cruiser.cjs.",
      severity: "error",
      from: { path: "^lib/", pathNot: layers.map(([, path]) => path) },
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
