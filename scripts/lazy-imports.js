// After tsc: a file of dist/ is loaded with the first use of what it exports, not with the first file that names it, so that an app that requires the
// package at its start pays for what it uses. tsc writes `const x_js_1 = require("./x.js");` and uses `x_js_1.name` alone; another use, or an
// import for its effects, stays as it is.
const fs = require("node:fs");
const path = require("node:path");

const declared = /^const (\w+_1) = require\("((?:\.|node:)[^"]*)"\);$/gm;

/** The text of a CommonJS file by tsc, with its imports made lazy. */
function lazyImports(text) {
  let changed = text;
  for (const [statement, name, from] of text.matchAll(declared)) {
    const uses = [...text.matchAll(new RegExp(`\\b${name}\\b`, "g"))].length - 1;
    const members = new RegExp(`\\b${name}\\b(?=\\.[A-Za-z_$])`, "g");
    if ([...text.matchAll(members)].length !== uses) continue;
    const lazy = `let ${name}_loaded; const ${name} = () => (${name}_loaded ??= require("${from}"));`;
    changed = changed.replace(members, `(${name}())`).replace(statement, () => lazy);
  }
  return changed;
}

module.exports = { lazyImports };

if (require.main === module) {
  const dist = path.join(__dirname, "..", "dist");
  for (const name of fs.readdirSync(dist, { recursive: true })) {
    if (!name.endsWith(".js")) continue;
    const file = path.join(dist, name);
    fs.writeFileSync(file, lazyImports(fs.readFileSync(file, "utf8")));
  }
}
