import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../lib/engine/binding.js";

test("every test that docs/reliability.md names exists", async () => {
  const text = await readFile(path.join(packageRoot, "docs", "reliability.md"), "utf8");
  const named = [...text.matchAll(/`(test\/[\w/.-]+)`: ([^|]*?)(?= \||; `|$)/gm)];
  assert.ok(named.length > 40, `${named.length} tests are named`);
  for (const [, file = "", name = ""] of named) {
    const source = await readFile(path.join(packageRoot, file), "utf8");
    assert.ok(source.includes(name.trim()), `${file} has no test "${name}"`);
  }
});
