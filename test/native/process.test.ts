import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { packageRoot } from "../../lib/engine/binding.js";
import { clipL, largeShaped, taesd3 } from "../helpers/checkpoints.js";
import { type Ended, runChild } from "../helpers/child.js";

/** Children load the compiled package, as users do. */
const script = path.join(packageRoot, "build", `process-test-${process.pid}.cjs`);

const body = (options: object) => `
const { isMainThread, Worker, workerData } = require("node:worker_threads");
const { loadModel } = require(${JSON.stringify(packageRoot)});
const mode = isMainThread ? process.argv[2] : workerData;
const options = ${JSON.stringify(options)};
const quick = { prompt: "x", width: 64, height: 64, steps: 2, cfgScale: 1, seed: 1 };
const sampling = async (run) => { for await (const e of run) if (e.type === "progress" && e.step > 0) return; };
async function main() {
  if (mode === "workers") {
    const worker = () => new Promise((resolve, reject) => new Worker(__filename, { workerData: "draw" }).on("message", resolve).on("error", reject));
    console.log(JSON.stringify(await Promise.all([worker(), worker()])));
    return;
  }
  if (mode === "terminate") {
    const worker = new Worker(__filename, { workerData: "run" });
    await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
    return draw();
  }
  const model = await loadModel(options);
  if (mode === "idle") { globalThis.kept = model; return; }
  if (mode === "draw") return draw(model);
  const run = model.generate({ ...quick, steps: 200 });
  run.catch(() => {});
  await sampling(run);
  if (mode === "run") require("node:worker_threads").parentPort.postMessage("running");
  if (mode === "exit") process.exit(7);
  if (mode === "throw") setImmediate(() => { throw new Error("boom"); });
  if (mode === "reject") Promise.reject(new Error("boom"));
  if (mode === "exit-load") { loadModel(options).catch(() => {}); setTimeout(() => process.exit(7), 30); }
}
async function draw(loaded) {
  const model = loaded ?? (await loadModel(options));
  const { images } = await model.generate(quick);
  const digest = require("node:crypto").createHash("sha256").update(images[0].data).digest("hex");
  if (isMainThread) console.log(digest); else require("node:worker_threads").parentPort.postMessage(digest);
  await model.dispose();
}
main();
`;

before(async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
  await writeFile(script, body({ ...files, threads: 1 }));
});
after(() => rm(script, { force: true }));

const child = (mode: string): Promise<Ended> => runChild(script, [mode]);

test("a process with a loaded model and nothing to do exits by itself", async () => {
  const { code, signal, stderr } = await child("idle");
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: "" });
});

test("process.exit() in mid-run, five times", async () => {
  for (let i = 0; i < 5; i++) {
    const { code, signal } = await child("exit");
    assert.deepEqual({ code, signal }, { code: 7, signal: null });
  }
});

test("process.exit() while a load waits behind a run", async () => {
  const { code, signal } = await child("exit-load");
  assert.deepEqual({ code, signal }, { code: 7, signal: null });
});

for (const mode of ["throw", "reject"]) {
  test(`an uncaught ${mode} in mid-run ends the process with 1 and its message`, async () => {
    const { code, signal, stderr } = await child(mode);
    assert.deepEqual({ code, signal }, { code: 1, signal: null });
    assert.match(stderr, /boom/);
  });
}

test("two workers draw the same picture at once", async () => {
  const { code, stdout } = await child("workers");
  assert.equal(code, 0);
  const [first, second] = JSON.parse(stdout);
  assert.match(first, /^[0-9a-f]{64}$/);
  assert.equal(first, second);
});

test("a worker terminated in mid-run leaves the process able to draw", async () => {
  const { code, signal, stdout } = await child("terminate");
  assert.deepEqual({ code, signal }, { code: 0, signal: null });
  assert.match(stdout, /^[0-9a-f]{64}\n$/);
});

test("stdout stays clean: the engine prints nothing", async () => {
  const { stdout } = await child("draw");
  assert.match(stdout, /^[0-9a-f]{64}\n$/);
});
