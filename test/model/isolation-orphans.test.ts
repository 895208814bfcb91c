import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { packageRoot } from "../../lib/engine/binding.js";
import { clipL, largeShaped, taesd3 } from "../helpers/checkpoints.js";
import { alive, gone } from "../helpers/processes.js";

/** Programs with isolated models, which use the compiled package as users do, and print the process ids of their engines. */
const script = path.join(packageRoot, "build", `orphans-test-${process.pid}.cjs`);

const body = (options: object) => `
const { isMainThread, Worker, workerData, parentPort } = require("node:worker_threads");
let engine;
require("node:diagnostics_channel").subscribe("child_process", (message) => (engine = message.process));
const tell = (text) => (isMainThread ? console.log(text) : parentPort.postMessage(text));
const { loadModel } = require(${JSON.stringify(packageRoot)});
const options = ${JSON.stringify(options)};
const [state, end] = isMainThread ? process.argv.slice(2) : workerData;
const ready = () => {
  tell("engine " + engine.pid);
  if (end === "exit") process.exit(7);
  if (end === "throw") setImmediate(() => { throw new Error("boom"); });
};
async function main() {
  if (end === "terminate" && isMainThread) {
    const worker = new Worker(__filename, { workerData: [state, end] });
    worker.on("message", (text) => {
      console.log(text);
      if (text.startsWith("engine ")) worker.terminate().then(() => setTimeout(() => {}, 2 ** 30)); // the process lives on
    });
    return;
  }
  const load = loadModel({ ...options, onProgress: () => state === "loading" && ready() });
  if (state === "starting") {
    while (!engine) await new Promise(setImmediate);
    return ready();
  }
  const model = await load;
  if (state === "loading") return;
  globalThis.kept = model;
  if (state === "idle") return ready();
  const run = model.generate({ prompt: "x", width: 128, height: 128, steps: 1000, cfgScale: 1, seed: 1 });
  run.catch(() => {});
  for await (const event of run) if (event.type === "phase" && event.phase === "sample") return ready();
}
main();
`;

before(async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
  await writeFile(script, body({ ...files, threads: 1, isolate: true }));
});
after(() => rm(script, { force: true }));

/** Starts the program; resolves when it is ready, with the id of its engine's process. */
async function start(state: string, end: string) {
  const program = spawn(process.execPath, [script, state, end], { stdio: ["ignore", "pipe", "ignore"] });
  const exited = once(program, "exit");
  after(() => program.kill("SIGKILL"));
  for await (const line of createInterface({ input: program.stdout })) {
    const [, engine] = /^engine (\d+)$/.exec(line) ?? [];
    if (engine) return { program, engine: Number(engine), exited };
  }
  throw new Error("it ended too early");
}

for (const state of ["starting", "loading", "idle", "drawing"]) {
  test(`SIGKILL to the program while ${state}`, async () => {
    const { program, engine } = await start(state, "");
    program.kill("SIGKILL");
    await gone(engine);
  });
}

for (const [end, code] of [
  ["exit", 7],
  ["throw", 1],
] as const) {
  for (const state of ["starting", "drawing"]) {
    test(`${end} of the program while ${state}`, async () => {
      const { engine, exited } = await start(state, end);
      assert.deepEqual(await exited, [code, null]);
      await gone(engine);
    });
  }
}

test("a worker thread that is terminated while drawing", async () => {
  const { program, engine } = await start("drawing", "terminate");
  await gone(engine);
  assert.ok(alive(program.pid as number));
  program.kill("SIGKILL");
});

test("a program with nothing to do ends by itself, and its engine with it", async () => {
  const { engine, exited } = await start("idle", "");
  assert.deepEqual(await exited, [0, null]);
  await gone(engine);
});

test("Ctrl-C and a service manager's SIGTERM reach the engine too, and are the program's to answer", async () => {
  const { program, engine } = await start("drawing", "");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(engine, signal);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(alive(engine) && alive(program.pid as number));
  program.kill("SIGKILL");
  await gone(engine);
});
