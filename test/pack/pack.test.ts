import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";
import { consume, consumers, install, type Project, pack, typeCheck } from "../helpers/packed.js";

const run = promisify(execFile);

/** A project that installed the packed tarball with this build in the place of a prebuild. Real prebuilds: test/prebuild/. */
let project: Project;
let work: string;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-pack-"));
  const stage = path.join(work, "stage");
  const { stdout } = await run("git", ["ls-files"], { cwd: packageRoot });
  for (const file of stdout.trim().split("\n")) await cp(path.join(packageRoot, file), path.join(stage, file));
  await cp(path.join(packageRoot, "dist"), path.join(stage, "dist"), { recursive: true });
  const prebuilds = path.join(stage, "prebuilds", `${process.platform}-${process.arch}`);
  await cp(path.join(packageRoot, "build", "Release", "node-sd-cpp.node"), path.join(prebuilds, "node-sd-cpp.node"));
  project = await install(await pack(stage, work), path.join(work, "project"));
});
after(() => rm(work, { recursive: true, force: true }));

test("nothing was built, and the tarball holds what it should", async () => {
  const installed = path.join(project.folder, "node_modules", "node-sd-cpp");
  const files = await readdir(installed);
  assert.ok(
    !files.includes("build") && !files.includes("lib") && !files.includes("test") && !files.includes("binding.gyp"),
    files.join(" "),
  );
  for (const name of [
    "dist",
    "prebuilds",
    "models",
    "LICENSE",
    "NOTICE",
    "README.md",
    "CMakeLists.txt",
    "native",
    "engine",
    "docs",
    "examples",
  ])
    assert.ok(files.includes(name), name);
  assert.deepEqual((await readdir(path.join(installed, "engine"))).sort(), ["Cargo.toml", "engine.json", "lib.rs", "patches"]);
});

for (const name of Object.keys(consumers)) test(name, () => consume(project, name));

test("TypeScript finds the types, from both kinds of module", () => typeCheck(project));

test("to require it loads its doors alone: no engine, no readers, no other package", async () => {
  const code = `
    require("node-sd-cpp");
    const files = Object.keys(require.cache).map((file) => file.replace(/^.*node_modules./, ""));
    console.log(JSON.stringify(files));`;
  const { stdout } = await run(process.execPath, ["-e", code], { cwd: project.folder, env: project.env });
  const files = JSON.parse(stdout) as string[];
  assert.ok(files.length < 30, files.join("\n"));
  assert.deepEqual(
    files.filter((file) => !file.startsWith(`node-sd-cpp${path.sep}`)),
    [],
  );
});

test("the command by npx, offline from the first call", async () => {
  const options = ["generate", "a red circle", "--steps", "1", "--threads", "1", "--seed", "1", "-o", "circle.png"];
  const { stdout } = await run("npx", ["--offline", "sdcpp", ...options], { cwd: project.folder, env: project.env });
  assert.equal(stdout, "circle.png\n");
});
