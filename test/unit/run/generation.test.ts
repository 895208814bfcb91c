import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { inspect } from "node:util";
import type { NativeEvent } from "../../../lib/engine/binding.js";
import { GenerationError, InvalidOptionError } from "../../../lib/errors.js";
import { Generation, type Plan, progressEvent } from "../../../lib/run/generation.js";
import type { GenerationEvent, GenerationParameters, Timings } from "../../../lib/types/index.js";

const timings: Timings = { queued: 0, encode: 1, sample: 2, upscale: 0, decode: 3, total: 6 };
const tick = () => new Promise((resolve) => setImmediate(resolve));

/** A run whose native job the test plays. */
function fakeRun({ batchCount = 1, signal, ready }: Partial<Plan> & { batchCount?: number } = {}) {
  let emit: (event: NativeEvent) => void = () => {};
  let resolve: (value: Timings) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const cancel = mock.fn(() => reject(Object.assign(new Error("cancelled"), { code: "ERR_CANCELLED" })));
  const start = mock.fn((listener: typeof emit) => {
    emit = listener;
    const promise = new Promise<Timings>((onResult, onError) => {
      resolve = onResult;
      reject = onError;
    });
    return { promise, cancel };
  });
  const parameters = { prompt: "a", batchCount } as GenerationParameters;
  const plan: Plan = { parameters, signal, ready, start, describe: (seed) => `Seed: ${seed}` };
  const run = new Generation(() => plan, "Error\n    at user (file.js:1:1)");
  const image = (index: number) =>
    emit({ type: "image", image: index, seed: BigInt(7 + index), width: 1, height: 1, channels: 3, data: Uint8Array.of(index, 2, 3) });
  const finish = () => resolve(timings);
  return {
    run,
    emit: (event: NativeEvent) => emit(event),
    image,
    finish,
    fail: (error: unknown) => reject(error),
    cancel,
    start,
    parameters,
  };
}

async function collect(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Runs `work` and returns the unhandled rejections that it leaves behind. */
async function unhandled(work: () => unknown): Promise<unknown[]> {
  const seen: unknown[] = [];
  const before = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (reason) => seen.push(reason));
  try {
    await work();
    await tick();
    await tick();
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of before) process.on("unhandledRejection", listener);
  }
  return seen;
}

describe("Generation", () => {
  it("resolves with images, seeds, parameters and timings", async () => {
    const { run, image, finish, parameters } = fakeRun({ batchCount: 2 });
    image(0);
    image(1);
    finish();
    const result = await run;
    assert.deepEqual(result.seeds, [7n, 8n]);
    assert.deepEqual(
      result.images.map(({ data, parameters: text }) => [data[0], text]),
      [
        [0, "Seed: 7"],
        [1, "Seed: 8"],
      ],
    );
    assert.equal(result.parameters, parameters);
    assert.equal(result.timings, timings);
    assert.match(run.id, /^[0-9a-f-]{36}$/);
  });

  it("becomes JSON: seeds as decimal strings, pictures without pixels", async () => {
    const { run, image, finish, parameters } = fakeRun();
    parameters.seed = 2n ** 60n;
    image(0);
    finish();
    const events = await collect(run);
    const result = await run;
    const json = JSON.parse(JSON.stringify({ result, events }));
    assert.deepEqual(json.result.seeds, ["7"]);
    assert.equal(json.result.parameters.seed, "1152921504606846976");
    assert.deepEqual(json.result.images, [{ width: 1, height: 1, channels: 3, parameters: "Seed: 7" }]);
    assert.deepEqual(json.events, [{ type: "image", index: 0, seed: "7", image: json.result.images[0] }]);
    assert.equal(JSON.parse(JSON.stringify(result.parameters)).seed, "1152921504606846976");
    assert.equal(typeof result.parameters.seed, "bigint");
    assert.match(inspect(result.images[0]), /^Image \{ width: 1, height: 1, channels: 3/);
  });

  it("is a promise", async () => {
    const { run, image, finish } = fakeRun();
    const end = mock.fn();
    image(0);
    finish();
    assert.equal((await Promise.all([run, run.finally(end), run.then(({ images }) => images.length)]))[2], 1);
    assert.equal(end.mock.callCount(), 1);
    const failing = fakeRun();
    failing.fail(new Error("x"));
    assert.equal(await failing.run.catch((error: Error) => error.message), "x");
  });

  it("gives the first iterator everything from the start, and later ones the rest", async () => {
    const { run, emit, image, finish } = fakeRun();
    emit({ type: "queued", position: 1 });
    emit({ type: "phase", phase: "encode", image: 0 });
    emit({ type: "progress", phase: "sample", step: 0, steps: 2, image: 0, seconds: 0 });
    emit({ type: "progress", phase: "sample", step: 1, steps: 2, image: 0, seconds: 3 });
    const first = collect(run);
    const second = collect(run);
    await tick();
    image(0);
    finish();
    assert.deepEqual(
      (await first).map(({ type }) => type),
      ["queued", "phase", "progress", "image"],
    );
    assert.deepEqual(
      (await second).map(({ type }) => type),
      ["image"],
    );
    assert.deepEqual(await collect(run), []);
  });

  it("keeps the events of a finished run for the first iterator", async () => {
    const { run, image, finish } = fakeRun();
    image(0);
    finish();
    await run;
    assert.deepEqual(
      (await collect(run)).map(({ type }) => type),
      ["image"],
    );
  });

  it("collects log lines only while it is iterated", async () => {
    const { run, emit, finish } = fakeRun();
    emit({ type: "log", level: "info", text: "early" });
    const events = collect(run);
    emit({ type: "log", level: "warn", text: "late" });
    finish();
    assert.deepEqual(await events, [{ type: "log", level: "warn", text: "late" }]);
  });

  it("drops the oldest progress when nobody reads", async () => {
    const { run, emit, image, finish } = fakeRun();
    image(0);
    for (let step = 1; step <= 12_000; step++) emit({ type: "progress", phase: "sample", step, steps: 12_000, image: 0, seconds: step });
    finish();
    const events = await collect(run);
    assert.equal(events.length, 10_000);
    assert.equal(events[0]?.type, "image");
    assert.equal((events.at(-1) as { step: number }).step, 12_000);
  });

  it("computes seconds per step and the time that is left", () => {
    const progress = (phase: "sample" | "load", step: number, image: number, seconds: number) =>
      progressEvent({ type: "progress", phase, step, steps: 10, image, seconds }, 3);
    const { secondsPerStep, eta, ...rest } = progress("sample", 4, 1, 8);
    assert.deepEqual(rest, { type: "progress", phase: "sample", step: 4, steps: 10, image: 1, images: 3 });
    assert.equal(secondsPerStep, 2);
    assert.equal(eta, (6 + 10) * 2);
    assert.equal(progress("sample", 10, 2, 20).eta, 0);
    assert.equal(progress("load", 4, 0, 8).eta, 12);
  });

  it("goes on when its reader leaves", async () => {
    const { run, emit, image, finish, cancel } = fakeRun();
    emit({ type: "queued", position: 1 });
    for await (const event of run) {
      assert.equal(event.type, "queued");
      break;
    }
    image(0);
    finish();
    assert.equal((await run).images.length, 1);
    assert.equal(cancel.mock.callCount(), 0);
  });

  it("answers several waiting reads in order, and ends them all", async () => {
    const { run, emit, finish } = fakeRun();
    const iterator = run[Symbol.asyncIterator]();
    const reads = [iterator.next(), iterator.next(), iterator.next()];
    emit({ type: "queued", position: 2 });
    finish();
    assert.deepEqual(await Promise.all(reads), [
      { value: { type: "queued", position: 2 }, done: false },
      { value: undefined, done: true },
      { value: undefined, done: true },
    ]);
  });
});

describe("a failed Generation", () => {
  const native = Object.assign(new Error("out of luck"), { code: "ERR_GENERATION", log: ["line"] });

  it("rejects and throws to each iterator, with class and the caller's stack", async () => {
    const { run, image, fail } = fakeRun();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { type } of run) seen.push(type);
    })();
    image(0);
    fail(native);
    const isRight = (error: unknown) =>
      error instanceof GenerationError && error.log[0] === "line" && /at user \(file/.test(error.stack ?? "");
    await assert.rejects(reading, isRight);
    await assert.rejects(async () => await run, isRight);
    await assert.rejects(collect(run), isRight);
    assert.deepEqual(seen, ["image"]);
  });

  it("throws validation errors to await and to for await, never from the constructor", async () => {
    const invalid = () => {
      throw new InvalidOptionError("width", "wrong");
    };
    await assert.rejects(async () => await new Generation(invalid, ""), InvalidOptionError);
    await assert.rejects(collect(new Generation(invalid, "")), InvalidOptionError);
  });

  it("is an unhandled rejection only when nobody awaits or iterates it", async () => {
    const forgotten = fakeRun();
    assert.deepEqual((await unhandled(() => forgotten.fail(new Error("nobody listens")))).map(String), ["Error: nobody listens"]);

    const iterated = fakeRun();
    const reading = assert.rejects(collect(iterated.run), /somebody/);
    assert.deepEqual(await unhandled(() => iterated.fail(new Error("somebody listens"))), []);
    await reading;

    const awaited = fakeRun();
    const waiting = assert.rejects(async () => await awaited.run, /somebody/);
    assert.deepEqual(await unhandled(() => awaited.fail(new Error("somebody listens"))), []);
    await waiting;
  });
});

describe("canceling a Generation", () => {
  const name = (expected: string) => (error: unknown) => (error as Error).name === expected;

  it("rejects with the reason, by default an AbortError, after the native job has stopped", async () => {
    const plain = fakeRun();
    plain.run.cancel();
    await assert.rejects(
      async () => await plain.run,
      (error) => error instanceof DOMException && error.name === "AbortError",
    );
    const reason = new Error("changed my mind");
    const reasoned = fakeRun();
    reasoned.run.cancel(reason);
    reasoned.run.cancel(new Error("too late"));
    await assert.rejects(
      async () => await reasoned.run,
      (error) => error === reason,
    );
    assert.equal(reasoned.cancel.mock.callCount(), 1);
  });

  it("follows its signal and lets it go at the end", async () => {
    const controller = new AbortController();
    const add = mock.method(controller.signal, "addEventListener");
    const remove = mock.method(controller.signal, "removeEventListener");
    const stopped = fakeRun({ signal: controller.signal });
    const finished = fakeRun({ signal: controller.signal });
    finished.finish();
    await finished.run;
    assert.equal(remove.mock.callCount(), 1);
    controller.abort("enough");
    await assert.rejects(
      async () => await stopped.run,
      (error) => error === "enough",
    );
    assert.equal(remove.mock.callCount(), 2);
    assert.equal(add.mock.callCount(), 2);
    assert.equal(finished.cancel.mock.callCount(), 0);
  });

  it("does no native work for a signal that is already aborted", async () => {
    const { run, start } = fakeRun({ signal: AbortSignal.abort() });
    await assert.rejects(async () => await run, name("AbortError"));
    assert.equal(start.mock.callCount(), 0);
  });

  it("stops a run that is not ready yet, without native work, whatever comes of it later", async () => {
    for (const outcome of ["resolves", "rejects"]) {
      let end = () => {};
      const ready = () =>
        new Promise<void>((resolve, reject) => (end = outcome === "resolves" ? resolve : () => reject(new Error("late"))));
      const controller = new AbortController();
      const canceled = fakeRun({ ready });
      const aborted = fakeRun({ ready, signal: controller.signal });
      canceled.run.cancel("stop");
      controller.abort("enough");
      await assert.rejects(
        async () => await canceled.run,
        (error) => error === "stop",
      );
      await assert.rejects(
        async () => await aborted.run,
        (error) => error === "enough",
      );
      assert.deepEqual(await unhandled(() => end()), []);
      assert.equal(canceled.start.mock.callCount() + aborted.start.mock.callCount(), 0);
    }
  });

  it("stops a run that has just become ready", async () => {
    let end = () => {};
    const { run, start } = fakeRun({ ready: () => new Promise<void>((resolve) => (end = resolve)) });
    end();
    run.cancel("stop");
    await assert.rejects(
      async () => await run,
      (error) => error === "stop",
    );
    assert.equal(start.mock.callCount(), 0);
  });

  it("is not even prepared for a signal that is already aborted", async () => {
    const ready = mock.fn(async () => {});
    await assert.rejects(async () => await fakeRun({ ready, signal: AbortSignal.abort() }).run, name("AbortError"));
    assert.equal(ready.mock.callCount(), 0);
  });

  it("wins over a result that comes after it, and does nothing after the end", async () => {
    const racing = fakeRun();
    racing.finish();
    racing.run.cancel("stop");
    await assert.rejects(
      async () => await racing.run,
      (error) => error === "stop",
    );
    const done = fakeRun();
    done.image(0);
    done.finish();
    await done.run;
    done.run.cancel();
    assert.equal(done.cancel.mock.callCount(), 0);
    assert.equal((await done.run).images.length, 1);
  });

  it("keeps a real failure that comes meanwhile", async () => {
    const { run, fail, cancel } = fakeRun();
    cancel.mock.mockImplementation(() => {});
    run.cancel("stop");
    fail(Object.assign(new Error("assertion"), { code: "ERR_ENGINE_ASSERTION" }));
    await assert.rejects(async () => await run, name("EngineAssertionError"));
  });
});
