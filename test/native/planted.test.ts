import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";

const run = promisify(execFile);
const names = ["libggml-cpu.so", "libggml-cpu-haswell.so", "libggml-cuda.so", "libggml-vulkan.so", "libggml-blas.so", "libggml-backend.so"];

test("libraries in the working directory, or named by ggml's variables, are not loaded", {
  skip: process.platform !== "linux" && "builds a Linux library",
}, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-planted-"));
  try {
    const source = path.join(folder, "planted.c");
    const code = `#include <stdio.h>\n__attribute__((constructor)) static void planted(void) { fclose(fopen("${folder}/loaded", "w")); }\n`;
    await writeFile(source, code);
    execFileSync("gcc", ["-shared", "-fPIC", "-o", path.join(folder, "planted.so"), source]);
    for (const name of names) await copyFile(path.join(folder, "planted.so"), path.join(folder, name));
    const loading = `process.dlopen({ exports: {} }, ${JSON.stringify(path.join(folder, "planted.so"))})`;
    await run(process.execPath, ["-e", `try { ${loading} } catch {}`]);
    assert.ok((await readdir(folder)).includes("loaded"), "the library tells when it is loaded");
    await rm(path.join(folder, "loaded"));

    const script = `
      const { loadModel, listDevices } = require(${JSON.stringify(packageRoot)});
      listDevices();
      loadModel({ preset: "demo", threads: 1 }).then(async (model) => {
        await model.generate({ prompt: "a red circle", steps: 1 });
        await model.dispose();
        console.log("drawn");
      });`;
    const env = { ...process.env, GGML_BACKEND_PATH: path.join(folder, "libggml-cpu.so"), GGML_BACKEND_DIR: folder };
    const { stdout } = await run(process.execPath, ["-e", script], { cwd: folder, env });
    assert.equal(stdout, "drawn\n");
    assert.ok(!(await readdir(folder)).includes("loaded"), "a planted library was loaded");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
