import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../../../lib/engine/binding.js";

const { applyPatch, checkCrate } = createRequire(__filename)("../../../scripts/fetch-engine.js") as {
  applyPatch(folder: string, patch: { name: string; text: string }): void;
  checkCrate(file: string, pin: { sha256: string }): void;
};

const { forgetMovedTree } = createRequire(__filename)("../../../scripts/build-native.js") as { forgetMovedTree(tree: string): void };

const folder = mkdtempSync(path.join(tmpdir(), "sdcpp-build-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a build script with these programs alone on the PATH. */
function build(tools: string[], env: NodeJS.ProcessEnv = {}, name = "build-native.js") {
  const bin = mkdtempSync(path.join(folder, "bin-"));
  for (const tool of tools) {
    const found = spawnSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).stdout.trim();
    symlinkSync(found, path.join(bin, tool));
  }
  const script = path.join(packageRoot, "scripts", name);
  return spawnSync(process.execPath, [script], { encoding: "utf8", env: { ...process.env, CXX: undefined, ...env, PATH: bin } });
}

function oneSentence({ status, stderr }: { status: number | null; stderr: string }, expected: RegExp): void {
  assert.equal(status, 1);
  assert.match(stderr, expected);
  assert.ok(!stderr.includes("    at "), "no stack trace");
}

test("a missing tool is named with its fix", () => {
  oneSentence(build([]), /cmake was not found: .*apt-get install cmake/);
  oneSentence(build(["cmake"]), /c\+\+ was not found: .*apt-get install g\+\+/);
});

test("all that is missing is named at once, also for the backends that are asked for", () => {
  oneSentence(build([]), /cmake was not found: .*c\+\+ was not found: /);
  const env = { SDCPP_BACKENDS: "cuda,vulkan", CUDACXX: "", CUDA_PATH: "", VULKAN_SDK: "" };
  oneSentence(build(["cmake", "c++"], env), /nvcc was not found: .*glslc was not found: /);
});

test("what prebuildify runs does build: without tools it fails instead of packing another build", () => {
  oneSentence(build([], {}, "prebuild-gyp.js"), /cmake was not found/);
});

test("a wrong backend or engine folder is named", () => {
  oneSentence(build(["cmake", "c++"], { SDCPP_BACKENDS: "cuda,vulcan" }), /SDCPP_BACKENDS names "vulcan".*cuda, vulkan, metal/);
  oneSentence(build(["cmake", "c++"], { SDCPP_ENGINE_DIR: folder }), /is not a stable-diffusion\.cpp source folder.*SDCPP_ENGINE_DIR/);
});

test("a build tree of another folder is made anew, and one of this folder stays", () => {
  for (const [name, stays] of [
    ["own", true],
    ["copied", false],
    ["gone", false],
  ] as const) {
    const tree = path.join(folder, name);
    mkdirSync(tree);
    const made = { own: tree, copied: folder, gone: path.join(folder, "not there") }[name];
    writeFileSync(path.join(tree, "CMakeCache.txt"), `CMAKE_BUILD_TYPE:STRING=Release\nCMAKE_CACHEFILE_DIR:INTERNAL=${made}\n`);
    forgetMovedTree(tree);
    assert.equal(existsSync(tree), stays, name);
  }
});

test("a crate with another checksum is refused", () => {
  const crate = path.join(folder, "engine-1.crate");
  writeFileSync(crate, "not the pinned engine");
  assert.throws(
    () => checkCrate(crate, { sha256: "0".repeat(64) }),
    /engine-1\.crate has sha256 [0-9a-f]{64}, but engine\/engine\.json expects 0{64}/,
  );
});

test("a patch adds lines at its places, and may do nothing else", () => {
  const source = path.join(folder, "patched");
  mkdirSync(source);
  const file = path.join(source, "a.txt");
  writeFileSync(file, "one\ntwo\nthree\n");
  const head = "why\n\n--- a/a.txt\n+++ b/a.txt\n";
  applyPatch(source, { name: "ok", text: `${head}@@ -1,0 +2,2 @@\n+x\n+y\n@@ -3,0 +6 @@\n+z\n` });
  assert.equal(readFileSync(file, "utf8"), "one\nx\ny\ntwo\nthree\nz\n");
  const refused = (text: string, message: RegExp) => assert.throws(() => applyPatch(source, { name: "bad", text }), message);
  refused(`${head}@@ -1 +1 @@\n-one\n+uno\n`, /bad: hunk .* does more than add lines/);
  refused(`${head}@@ -1,0 +2,2 @@\n+x\n-two\n`, /does more than add lines/);
  refused(`${head}@@ -90,0 +91 @@\n+x\n`, /past the end/);
  refused("--- a/b.txt\n+++ b/b.txt\n@@ -1,0 +2 @@\n+x\n", /not in the engine source/);
});
