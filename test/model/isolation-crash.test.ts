import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { EngineCrashError, type GenerateOptions, type LogEvent, type Model, ModelFileError, SdcppError } from "../../lib/index.js";
import { largeShaped } from "../helpers/checkpoints.js";
import { pictureHash } from "../helpers/pixels.js";
import { alive, children, gone, latest, limitMemory, rejection } from "../helpers/processes.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

const tiny = { ...quick, width: 32, height: 32, steps: 1 };

/** Two models in processes of their own; one is killed again and again. */
let model: Model;
let other: Model;
let otherPid: number;
let reference: string;
const log: LogEvent[] = [];

before(async () => {
  other = await loadSmall({ isolate: true });
  otherPid = latest().pid as number;
  model = await loadSmall({ isolate: true, promptCache: 0, onLog: (event) => log.push(event) });
  reference = await drawHash(model, tiny);
});
after(async () => {
  await model.dispose();
  await other.dispose();
});

const signals = ["SIGKILL", "SIGSEGV", "SIGABRT"] as const;
const kill = (signal: NodeJS.Signals) => process.kill(latest().pid as number, signal);

/** Sends the signal when the run enters the phase; returns what the run rejects with. */
async function killIn(phase: string, signal: NodeJS.Signals, options: Partial<GenerateOptions>): Promise<unknown> {
  const run = model.generate({ ...tiny, ...options });
  try {
    for await (const event of run) if (event.type === "phase" && event.phase === phase) kill(signal);
    return undefined;
  } catch (error) {
    return error;
  }
}

function checkCrash(error: unknown, signal: string, message: RegExp): asserts error is EngineCrashError {
  assert.ok(error instanceof EngineCrashError && error instanceof SdcppError, String(error));
  assert.deepEqual([error.code, error.signal, error.exitCode], ["ERR_ENGINE_CRASH", signal, undefined]);
  assert.match(error.message, message);
}

const phases = ["encode", "sample", "decode"].flatMap((phase) =>
  (["SIGKILL", "SIGSEGV"] as const).map((signal) => [phase, signal] as const),
);
for (const [phase, signal] of [...phases, ["sample", "SIGABRT"] as const]) {
  test(`${signal} in ${phase}: that run rejects, those in line are drawn, in order, with the same bytes`, async () => {
    const before = latest().pid as number;
    const crashed = killIn(phase, signal, { width: 192, height: 192, steps: 1 });
    const order: string[] = [];
    const line = ["second", "third"].map((name) => model.generate(tiny).finally(() => order.push(name)));
    const error = await crashed;
    checkCrash(error, signal, new RegExp(`ended with ${signal} in phase "${phase}".*started again`));
    assert.equal(/memory ran out/.test(error.message), signal === "SIGKILL");
    assert.match(error.stack ?? "", /isolation-crash\.test/);
    assert.ok(error.log.length > 0 && error.log.length <= 20);
    for (const run of line) assert.equal(pictureHash((await run).images[0] as never), reference);
    assert.deepEqual(order, ["second", "third"]);
    assert.notEqual(latest().pid, before);
    await gone(before);
  });
}

test("in all this the other model's process was the same, and it draws", async () => {
  assert.ok(alive(otherPid));
  assert.equal(await drawHash(other, tiny), reference);
  assert.equal(children.filter(({ pid }) => pid && alive(pid)).length, 2);
});

test("finished pictures of a batch stay with the run that crashed", async () => {
  const run = model.generate({ ...tiny, batchCount: 3 });
  const ended = (async () => {
    for await (const event of run) if (event.type === "image") kill("SIGKILL");
  })();
  await assert.rejects(ended, EngineCrashError);
  assert.ok(run.images.length >= 1);
  assert.equal(pictureHash(run.images[0] as never), reference);
  assert.equal(await drawHash(model, tiny), reference);
});

for (const signal of signals) {
  test(`${signal} while idle: nobody hears of it but onLog, and the next run is drawn`, async () => {
    log.length = 0;
    kill(signal);
    assert.equal(await drawHash(model, tiny), reference);
    assert.ok(log.some(({ level, text }) => level === "warn" && text.includes(`ended with ${signal} while it was idle`)));
  });
}

test("SIGKILL in the restart, while starting and while loading: the line goes on", async () => {
  await drawHash(model, tiny);
  kill("SIGKILL");
  const run = model.generate(tiny);
  const count = model.countTokens("a red circle");
  const first = children.length;
  while (children.length === first) await new Promise((resolve) => setTimeout(resolve, 5));
  kill("SIGKILL"); // it has not said a word yet
  assert.equal((await count).clipL?.tokens, 3);
  assert.equal(pictureHash((await run).images[0] as never), reference);
});

test("cancel of a run whose process dies is a cancel", async () => {
  const run = model.generate({ ...tiny, steps: 500 });
  for await (const event of run) if (event.type === "phase" && event.phase === "sample") break;
  kill("SIGSTOP");
  run.cancel("enough");
  kill("SIGKILL");
  await assert.rejects(run, (reason) => reason === "enough");
  assert.equal(await drawHash(model, tiny), reference);
});

test("three in a row without a finished run: no more restarts, every run rejects, and dispose works", async () => {
  const doomed = await loadSmall({ isolate: true });
  const line = Array.from({ length: 4 }, () => doomed.generate({ ...tiny, steps: 500 }));
  const started = children.length;
  const ends = await Promise.allSettled(
    line.map(async (run) => {
      for await (const event of run) if (event.type === "phase" && event.phase === "sample") kill("SIGSEGV");
    }),
  );
  const reasons = ends.map((end) => end.status === "rejected" && end.reason);
  for (const reason of reasons) checkCrash(reason, "SIGSEGV", /phase "sample"/);
  const messages = reasons.map(({ message }) => /not started again/.test(message));
  assert.deepEqual(messages, [false, false, true, true]);
  assert.equal(children.length, started + 2);
  await assert.rejects(doomed.generate(tiny), { code: "ERR_ENGINE_CRASH", message: /3 times in a row/, stack: /isolation-crash\.test/ });
  await assert.rejects(doomed.countTokens("x"), { code: "ERR_ENGINE_CRASH" });
  await doomed.dispose();
  await assert.rejects(doomed.generate(tiny), { code: "ERR_DISPOSED" });
});

test("a file that is cut off while it is mapped", { skip: process.platform === "win32" }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-crash-"));
  const diffusionModel = path.join(folder, "model.gguf");
  await copyFile(await largeShaped("f16"), diffusionModel);
  const doomed = await loadSmall({ isolate: true, diffusionModel, mmap: true });
  await truncate(diffusionModel, 100_000);
  checkCrash(await rejection(doomed.generate(tiny)), "SIGBUS", /phase "sample"/);
  await assert.rejects(doomed.generate(tiny), { code: "ERR_MODEL_FILE" });
  await doomed.dispose();
  await rm(folder, { recursive: true });
});

test("when the files are gone at the restart, that is the error of all runs", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-crash-"));
  const diffusionModel = path.join(folder, "model.gguf");
  await copyFile(await largeShaped("f16"), diffusionModel);
  const doomed = await loadSmall({ isolate: true, diffusionModel });
  await rm(folder, { recursive: true });
  const [run, next] = [doomed.generate({ ...tiny, steps: 500 }), doomed.generate(tiny)];
  const ends = Promise.allSettled([run, next]);
  for await (const event of run) {
    if (event.type !== "phase" || event.phase !== "sample") continue;
    kill("SIGKILL");
    break;
  }
  const [crashed, waiting] = (await ends).map((end) => end.status === "rejected" && end.reason);
  checkCrash(crashed, "SIGKILL", /phase "sample"/);
  assert.ok(waiting instanceof ModelFileError);
  for (const error of [waiting, await rejection(doomed.generate(tiny)), await rejection(doomed.countTokens("x"))]) {
    assert.match(error.message, /^After a crash .*could not be loaded again: .*model\.gguf/);
  }
  await doomed.dispose();
});

test("in the first load, while starting and while loading: loadModel rejects, and nothing is started again", async () => {
  const started = children.length;
  const starting = loadSmall({ isolate: true });
  while (children.length === started) await new Promise((resolve) => setTimeout(resolve, 1));
  kill("SIGKILL");
  checkCrash(await rejection(starting), "SIGKILL", /while it was starting; something else killed it.*memory ran out\.$/);
  const loading = loadSmall({ isolate: true, onProgress: () => kill("SIGSEGV") });
  checkCrash(await rejection(loading), "SIGSEGV", /in phase "load"\.$/);
  assert.equal(children.length, started + 2);
});

test("while it is disposed: dispose resolves, its runs reject as disposed", async () => {
  const doomed = await loadSmall({ isolate: true });
  const run = doomed.generate(tiny);
  const rejected = assert.rejects(run, { code: "ERR_DISPOSED" });
  const disposal = doomed.dispose();
  kill("SIGKILL");
  await disposal;
  await rejected;
});

test("a process that does not react is killed by dispose, in mid-run", { skip: process.platform === "win32" }, async () => {
  const doomed = await loadSmall({ isolate: true });
  const run = doomed.generate({ ...tiny, steps: 500 });
  const rejected = assert.rejects(run, { code: "ERR_DISPOSED" });
  const pid = latest().pid as number;
  kill("SIGSTOP");
  await doomed.dispose();
  await rejected;
  assert.ok(!alive(pid));
});

test("dispose while it is started again", async () => {
  const doomed = await loadSmall({ isolate: true });
  kill("SIGKILL");
  const run = doomed.generate(tiny);
  const rejected = assert.rejects(run, { code: "ERR_DISPOSED" });
  const before = children.length;
  while (children.length === before) await new Promise((resolve) => setTimeout(resolve, 1));
  await doomed.dispose();
  await rejected;
  assert.ok(!alive(latest().pid as number));
});

test("no memory left: an error of the run, and this process and the model live", { skip: process.platform !== "linux" }, async () => {
  const poor = await loadSmall({ isolate: true });
  limitMemory(latest().pid as number, 1e6);
  const error = await rejection(poor.generate(tiny));
  assert.ok(error instanceof SdcppError);
  assert.ok(["ERR_ENGINE_CRASH", "ERR_INSUFFICIENT_MEMORY", "ERR_ENGINE_ASSERTION"].includes(error.code), error.message);
  await poor.dispose();
  assert.equal(await drawHash(model, tiny), reference);
});
