import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../lib/engine/binding.js";

/** What starts one: exec and its kin, spawn's option (unless it says false), C's functions. */
const shells =
  /\bexec(Sync)?\(["'`]|\bimport \{[^}]*\bexec(Sync)?\b[^}]*\} from "node:child_process"|\bshell: *(?!false)|\b(system|popen)\(/;

test("nothing that is shipped starts a shell", () => {
  assert.match('import { exec, spawn } from "node:child_process";', shells);
  assert.match("spawn(program, args, { shell: true })", shells);
  const sources = ["lib", "native", "scripts"].flatMap((folder) => {
    const names = readdirSync(path.join(packageRoot, folder), { recursive: true, encoding: "utf8" });
    return names.filter((name) => /\.(ts|js|cc|h)$/.test(name)).map((name) => path.join(folder, name));
  });
  assert.ok(sources.length > 100, `${sources.length} sources`);
  const starting = sources.filter((source) => shells.test(readFileSync(path.join(packageRoot, source), "utf8")));
  assert.deepEqual(starting, []);
});
