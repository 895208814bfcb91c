import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../../lib/engine/binding.js";
import { install, type Project, pack } from "../helpers/packed.js";

/** `npx node-sd-cpp build` in a project that has installed the tarball, where there is no prebuild. */

const run = promisify(execFile);
const there = (tool: string) => {
  try {
    execFileSync(tool, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};
const lacking = ["cmake", "c++", "cargo"].filter((tool) => !there(tool));

let work: string;
let project: Project;
let installed: string;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-build-"));
  project = await install(await pack(packageRoot, work), path.join(work, "project"));
  installed = path.join(project.folder, "node_modules", "node-sd-cpp");
  await rm(path.join(installed, "prebuilds"), { recursive: true });
});
after(() => rm(work, { recursive: true, force: true }));

const released = () => path.join(installed, "build", "Release");

/** Runs the command with this machine's tools. */
async function build(options: string[], onStderr: (text: string, kill: () => void) => void = () => {}) {
  const command = [path.join(installed, "dist", "cli", "cli.js"), "build", ...options];
  const child = spawn(process.execPath, command, { cwd: project.folder, stdio: ["ignore", "pipe", "pipe"] });
  const ended = { code: null as number | null, stdout: "", stderr: "" };
  child.stdout.on("data", (data) => {
    ended.stdout += data;
  });
  child.stderr.on("data", (data) => {
    ended.stderr += data;
    onStderr(ended.stderr, () => child.killed || child.kill("SIGINT"));
  });
  ended.code = await new Promise((resolve) => child.on("close", resolve));
  return ended;
}

/** Processes whose command line names the project. */
async function processes(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(installed));
}

describe("without tools", () => {
  test("one sentence names all that is missing, typed", async () => {
    const cli = path.join(installed, "dist", "cli", "cli.js");
    const refused = run(process.execPath, [cli, "build"], { cwd: project.folder, env: project.env });
    const sentence = /^The addon was not built: cmake was not found: .*c\+\+ was not found: .*cargo was not found: .*\(ERR_NO_BINARY\)$/m;
    await assert.rejects(refused, ({ code, stderr }) => code === 1 && sentence.test(stderr));
  });

  test("a backend that there is none of is a usage error", async () => {
    const { code, stderr } = await build(["--backend", "cuda,vulcan"]);
    assert.deepEqual(
      [code, stderr],
      [2, '--backend: expected a list of cpu, cuda, vulkan, metal, such as cuda,vulkan, received "cuda,vulcan"\n'],
    );
  });
});

describe("with them", { skip: lacking.length > 0 && `no ${lacking.join(", ")}` }, () => {
  test("Ctrl-C stops it with all that it has started, and nothing lies where the addon is looked for", async () => {
    const { code, stdout, stderr } = await build([], (text, kill) => {
      if (/^compile: \d+\/\d+/m.test(text)) kill();
    });
    assert.deepEqual([code, stdout], [130, ""]);
    assert.match(stderr, /\nInterrupted\.\n$/);
    assert.ok(!existsSync(released()), released());
    if (process.platform === "linux") assert.deepEqual(await processes(), []);
  });

  test("the addon is built, loads and draws, and nothing else is left", async () => {
    const { code, stdout, stderr } = await build([]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${path.join(released(), "node-sd-cpp.node")}\n`);
    assert.match(stderr, /compile: (\d+)\/\1, ETA 0\.0 s\nIt computes on: cpu \(.+\)\n$/);
    assert.deepEqual(await readdir(path.join(installed, "build")), ["Release"]);
    assert.deepEqual(await readdir(released()), ["node-sd-cpp.node"]);
    assert.ok(!existsSync(path.join(installed, "engine", "source")));
    const cli = path.join(installed, "dist", "cli", "cli.js");
    const options = ["generate", "a red circle", "--steps", "1", "--threads", "1", "--seed", "1", "-o", "circle.png"];
    assert.equal((await run(process.execPath, [cli, ...options], { cwd: project.folder, env: project.env })).stdout, "circle.png\n");
  });

  test("a build that fails names the compiler's last lines, and leaves the addon that there was", async () => {
    const before = await stat(path.join(released(), "node-sd-cpp.node"));
    const source = path.join(installed, "native", "devices.cc");
    await run("sh", ["-c", 'echo "this is no C++" >> "$0"', source]);
    const { code, stdout, stderr } = await build(["-q"]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(
      stderr,
      /^The addon was not built: .* failed \(exit code \d+\); its last lines are below, .*\(ERR_NO_BINARY\)\n[\s\S]*this is no C\+\+/,
    );
    assert.equal((await stat(path.join(released(), "node-sd-cpp.node"))).mtimeMs, before.mtimeMs);
  });
});
