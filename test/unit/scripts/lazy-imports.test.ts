import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const { lazyImports } = createRequire(__filename)("../../../scripts/lazy-imports.js") as { lazyImports(text: string): string };

class Thing {
  constructor(readonly name: string) {}
}

/** What a file does, and what it has loaded when it is done and when its `use` has been called. */
function loads(text: string): { first: string[]; used: unknown; last: string[] } {
  const loaded: string[] = [];
  const exports: { use?: () => unknown } = {};
  const require = (name: string) => {
    loaded.push(name);
    return { value: name, double: (text: string) => text + text, Thing };
  };
  runInNewContext(lazyImports(text), { require, exports });
  const first = [...loaded];
  return { first, used: exports.use?.(), last: loaded };
}

test("a file that is named by an import is loaded with its first use, once", () => {
  const text = [
    'const a_js_1 = require("./a.js");',
    'const node_fs_1 = require("node:fs");',
    "exports.use = () => (0, a_js_1.double)(a_js_1.value) + node_fs_1.value;",
  ].join("\n");
  assert.deepEqual(loads(text), { first: [], used: "./a.js./a.jsnode:fs", last: ["./a.js", "node:fs"] });
});

test("classes are made and extended as before", () => {
  const text =
    'const a_js_1 = require("./a.js");\nexports.use = () => new (class extends a_js_1.Thing {})("x").name + new a_js_1.Thing("y").name;';
  assert.equal(loads(text).used, "xy");
});

test("what is used at once, wholly or for its effects is loaded as before", () => {
  assert.deepEqual(loads('const a_js_1 = require("./a.js");\nexports.use = ((of) => () => of.value)(a_js_1);').first, ["./a.js"]);
  assert.deepEqual(loads('require("./a.js");').first, ["./a.js"]);
  assert.deepEqual(loads('const a_js_1 = require("./a.js");\nconst { double } = { double: a_js_1.double };').first, ["./a.js"]);
  assert.deepEqual(loads('const a_1 = require("package");').first, ["package"]);
});
