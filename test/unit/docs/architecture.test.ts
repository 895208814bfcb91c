import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../lib/engine/binding.js";

const { svg } = createRequire(__filename)("../../../scripts/layers.js") as { svg(): string };

const at = (...parts: string[]) => path.join(packageRoot, ...parts);
const read = (...parts: string[]) => readFile(at(...parts), "utf8");

test("the picture of the layers is that of the rules", async () => {
  assert.equal(await read("docs", "layers.svg"), svg(), "node scripts/layers.js makes it anew");
});

test("every room and file that docs/architecture.md names exists, and every room is named", async () => {
  const page = await read("docs", "architecture.md");
  const rows = page.matchAll(/^\| (?:`([a-z]+)\/`|the doors) \|.*$/gm);
  const seen = new Set<string>();
  for (const [row, room = ""] of rows) {
    if (room) seen.add(room);
    for (const [, file = ""] of row.matchAll(/`([a-z][a-z-]*\.(?:ts|json))`/g))
      assert.ok(existsSync(at("lib", room, file)), `${room}/${file}`);
  }
  const rooms = readdirSync(at("lib"), { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== "types");
  for (const { name } of rooms) assert.ok(seen.has(name), name);
});

test("at most nine files lie directly in lib/, and no file has more than 300 lines", async () => {
  const files = readdirSync(at("lib"), { withFileTypes: true }).filter((entry) => entry.isFile());
  assert.ok(files.length <= 9, files.map(({ name }) => name).join(" "));
  for (const root of ["lib", "native"]) {
    for (const entry of readdirSync(at(root), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || entry.name.endsWith(".json")) continue;
      const file = path.join(entry.parentPath, entry.name);
      const lines = (await readFile(file, "utf8")).split("\n").length - 1;
      assert.ok(lines <= 300, `${path.relative(packageRoot, file)} has ${lines} lines`);
    }
  }
});
