// The rooms of lib/ by layer, from the top: .dependency-cruiser.cjs makes rules of them, `node scripts/layers.js` the picture in docs/.
const fs = require("node:fs");
const path = require("node:path");

/** `paths`: patterns of what belongs to the layer. `rooms`: what a room is for, in the order of the picture. */
const layers = [
  {
    name: "fronts",
    paths: ["^lib/(cli|server|page|queue|mcp)/"],
    rooms: { "cli/": "the command sdcpp", "server/": "pictures over HTTP" },
  },
  {
    name: "doors",
    paths: ["^lib/(index|model|models|upscaler|convert|inspect|devices|reproduce)\\.ts$"],
    rooms: { "model, models, upscaler, convert, inspect, devices, reproduce": "what a program can ask for; index.ts lists it" },
  },
  {
    name: "run and memory",
    paths: ["^lib/(run|memory|report)/"],
    rooms: { "run/": "a run and what it tells", "memory/": "what fits", "report/": "what a bug report tells" },
  },
  {
    name: "what comes in",
    paths: ["^lib/(options|picture|checkpoint)/"],
    rooms: { "options/": "what an option may be", "picture/": "pictures in and out", "checkpoint/": "what files are" },
  },
  { name: "catalog", paths: ["^lib/catalog/"], rooms: { "catalog/": "models and families known by name" } },
  { name: "engine", paths: ["^lib/engine/"], rooms: { "engine/": "all that stands between TypeScript and native/" } },
  {
    name: "errors and types",
    paths: ["^lib/(errors\\.ts$|types/)"],
    rooms: { "errors.ts": "classes, and the one door for native errors", "types/": "the public types" },
  },
];

const [width, row, gap] = [860, 52, 8];

/** The layers as a picture: an arrow down the side, a box a room. */
function svg() {
  const safe = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const boxes = layers.flatMap(({ name, rooms }, level) => {
    const y = gap + level * (row + gap);
    const entries = Object.entries(rooms);
    const side = 190;
    const each = (width - side - gap * entries.length) / entries.length;
    return [
      `<text x="${gap + 22}" y="${y + row / 2 + 5}" font-weight="bold">${safe(name)}</text>`,
      ...entries.flatMap(([room, purpose], i) => {
        const x = side + i * (each + gap);
        return [
          `<rect x="${x}" y="${y}" width="${each}" height="${row}" rx="6" fill="#eef3f8" stroke="#4a6b8a"/>`,
          `<text x="${x + 12}" y="${y + 21}" font-family="monospace">${safe(room)}</text>`,
          `<text x="${x + 12}" y="${y + 41}" fill="#444">${safe(purpose)}</text>`,
        ];
      }),
    ];
  });
  const height = gap + layers.length * (row + gap);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">`,
    `<title>The layers of lib/: each uses those below it, and none above</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<path d="M12 ${gap + 6} V${height - 22} m-5 -8 l5 8 l5 -8" fill="none" stroke="#4a6b8a" stroke-width="2"/>`,
    ...boxes,
    "</svg>",
    "",
  ].join("\n");
}

module.exports = { layers, svg };

if (require.main === module) fs.writeFileSync(path.join(__dirname, "..", "docs", "layers.svg"), svg());
