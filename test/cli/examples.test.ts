import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";

const run = promisify(execFile);
const folder = path.join(packageRoot, "examples");

/** ggml's threads spin: on a busy machine two are slower than one. */
const env = { ...process.env, SDCPP_THREADS: "1" };

/** They take the paths of models that are not part of the package. */
const needModels = ["lora.mjs", "t5-prompt.mjs"];

describe("the examples run as they stand", async () => {
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".mjs"))) {
    test(name, { skip: needModels.includes(name) && "needs large models" }, async () => {
      const target = await mkdtemp(path.join(tmpdir(), "sdcpp-example-"));
      try {
        const { stdout } = await run(process.execPath, [path.join(folder, name), target], { cwd: target, timeout: 300_000, env });
        assert.ok(stdout.trim().length > 0, "it says what it did");
      } finally {
        await rm(target, { recursive: true, force: true });
      }
    });
  }
});
