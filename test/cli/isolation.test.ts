import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { cli, sdcpp } from "../helpers/cli.js";
import { gone } from "../helpers/processes.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-isolate-"));
});
after(() => rm(folder, { recursive: true, force: true }));

test("--isolate draws the same pixels as without", async () => {
  const file = path.join(folder, "circle.png");
  const run = ["--model", "demo", "--threads", "1", "--isolate", "--quiet"];
  const drawn = await sdcpp(["generate", "a red circle", ...run, "--steps", "2", "--seed", "1", "-o", file]);
  assert.deepEqual(drawn, { code: 0, stdout: `${file}\n`, stderr: "" });
  for (const flags of [run, run.filter((flag) => flag !== "--isolate")]) {
    const { code, stdout } = await sdcpp(["reproduce", file, ...flags]);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: "identical: all 16384 pixels\n" });
  }
});

test("Ctrl-C, which reaches the engine's process too, keeps the finished pictures", { skip: process.platform === "win32" }, async () => {
  const target = path.join(folder, "batch");
  await mkdir(target);
  const run = ["--model", "demo", "--threads", "1", "--isolate", "--json", "--quiet"];
  const args = [cli, "generate", "a red circle", ...run, "--steps", "1", "--batch-count", "500", "-o", target];
  const command = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"], detached: true }); // the head of a process group
  const group = -(command.pid as number);
  const exited = once(command, "exit");
  let output = "";
  command.stdout.on("data", (data) => {
    if (!output.includes('"type":"image"') && `${output}${data}`.includes('"type":"image"')) process.kill(group, "SIGINT");
    output += data;
  });
  assert.deepEqual(await exited, [130, null]);
  const finished = output.split("\n").filter((line) => line.startsWith('{"type":"image"')).length;
  assert.ok(finished >= 1 && finished < 500);
  assert.equal((await readdir(target)).length, finished);
  await gone(group);
});
