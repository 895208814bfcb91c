import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import type { Sharp } from "sharp";
import { familyDefaults } from "../../../lib/catalog/families.js";
import type { EngineModel, NativeEvent, NativeGenerateParams } from "../../../lib/engine/binding.js";
import { DisposedError, InvalidOptionError, ModelFileError } from "../../../lib/errors.js";
import { loadModel, Model } from "../../../lib/model.js";
import { readParameters } from "../../../lib/picture/parameters.js";
import type { LogEvent, ModelInfo, ModelOptions, Timings } from "../../../lib/types/index.js";

const parts = { diffusion: { bytes: 100, parameters: 50 }, vae: { bytes: 20, parameters: 10 } };
const timings: Timings = { queued: 0, encode: 0, sample: 0, upscale: 0, decode: 0, total: 0 };

function fakeModel(onLog?: (event: LogEvent) => void) {
  const order: string[] = [];
  const jobs: { params: NativeGenerateParams; emit: (event: NativeEvent) => void; finish: () => void }[] = [];
  const dispose = mock.fn(async () => {
    order.push("dispose");
  });
  const native: EngineModel = {
    info: {
      architecture: "SD3.x",
      depth: 24,
      hiddenSize: 1536,
      dualAttentionBlocks: 13,
      positions: 16,
      parts,
      devices: { diffusion: "CPU", textEncoders: "CPU", vae: "CPU" },
    },
    generate(params, emit) {
      let cancel = () => {};
      const promise = new Promise<Timings>((resolve, reject) => {
        jobs.push({ params, emit, finish: () => resolve(timings) });
        cancel = () => {
          order.push("cancel");
          reject(Object.assign(new Error("cancelled"), { code: "ERR_CANCELLED" }));
        };
      });
      return { promise, cancel };
    },
    countTokens: () => ({ chunks: 1 }),
    dispose,
  };
  const info = {
    family: "sd3.5-medium",
    parts,
    maxSide: 64,
    name: "medium",
    defaults: familyDefaults("sd3.5-medium", 64),
    devices: { diffusion: "cpu", textEncoders: "cpu", vae: "cpu" },
  } as unknown as ModelInfo;
  return { model: new Model(native, info, { onLog, params: { rng: "cpu" } }), jobs, order, dispose };
}

describe("Model", () => {
  it("hands checked options with all defaults to native code", async () => {
    const { model, jobs } = fakeModel();
    const run = model.generate({ prompt: "a", seed: 7 });
    const { prompt, negativePrompt, width, height, steps, cfgScale, seed, batchCount, clipSkip } = jobs[0]?.params ?? {};
    assert.deepEqual(
      [prompt, negativePrompt, width, height, steps, cfgScale, seed, batchCount, clipSkip],
      ["a", "", 64, 64, 40, 4.5, 7n, 1, 2],
    );
    assert.ok(!("signal" in (jobs[0]?.params ?? {})));
    jobs[0]?.emit({ type: "image", image: 0, seed: 7n, width: 1, height: 1, channels: 3, data: new Uint8Array(3) });
    jobs[0]?.finish();
    const { images, parameters } = await run;
    assert.equal(parameters.steps, 40);
    const read = await readParameters(images[0] as never);
    assert.deepEqual([read?.seed, read?.model, read?.rng, read?.steps], [7n, "medium", "cpu", 40]);
  });

  it("passes force on, which is no parameter of the picture", async () => {
    const { model, jobs } = fakeModel();
    const run = model.generate({ prompt: "a", force: true });
    jobs[0]?.finish();
    const { force } = { ...jobs[0]?.params } as { force?: boolean };
    assert.deepEqual([force, "force" in (await run).parameters], [true, false]);
  });

  it("rejects wrong options without native work", async () => {
    const { model, jobs } = fakeModel();
    await assert.rejects(
      async () => await model.generate({ prompt: "a", width: 80 }),
      (error) => error instanceof InvalidOptionError && error.path === "width",
    );
    await assert.rejects(async () => await model.generate(undefined as never), InvalidOptionError);
    assert.equal(jobs.length, 0);
  });

  const initImage = { data: new Uint8Array(32 * 48 * 3), width: 32, height: 48, channels: 3 } as const;
  const tick = () => new Promise((resolve) => setTimeout(resolve, 5));
  const until = async (condition: () => boolean) => {
    while (!condition()) await tick();
  };

  it("hands pictures to native code in the result's size", async () => {
    const { model, jobs } = fakeModel();
    const run = model.generate({ prompt: "a", initImage, mask: { data: new Uint8Array([255]), width: 1, height: 1, channels: 1 } });
    assert.equal(jobs.length, 0);
    await until(() => jobs.length > 0);
    const { initImage: picture, mask, width, height, strength, keepUnmasked, maskFeather } = jobs[0]?.params ?? {};
    assert.deepEqual([width, height, picture?.width, picture?.height, mask?.width, mask?.height], [32, 48, 32, 48, 32, 48]);
    assert.deepEqual([strength, keepUnmasked, maskFeather], [29.5 / 40, true, 0]);
    assert.ok(!("fit" in (jobs[0]?.params ?? {})));
    jobs[0]?.finish();
    const { parameters } = await run;
    assert.deepEqual([parameters.width, parameters.height, parameters.strength, parameters.fit], [32, 48, 0.75, "cover"]);
  });

  it("starts runs in the order of the calls, also while pictures are being read", async () => {
    const { model, jobs } = fakeModel();
    const runs = [
      model.generate({ prompt: "a", initImage }),
      model.generate({ prompt: "b" }),
      model.generate({ prompt: "c", initImage: "missing.png" }),
      model.generate({ prompt: "d", initImage }),
      model.generate({ prompt: "e" }),
    ];
    const ends = Promise.allSettled(runs);
    await until(() => jobs.length === 4);
    await tick();
    assert.deepEqual(
      jobs.map(({ params }) => params.prompt),
      ["a", "b", "d", "e"],
    );
    model.generate({ prompt: "f" }).catch(() => {});
    assert.equal(jobs.at(-1)?.params.prompt, "f", "at once, as nobody waits any more");
    for (const job of jobs) job.finish();
    assert.deepEqual(
      (await ends).map(({ status }) => status),
      ["fulfilled", "fulfilled", "rejected", "fulfilled", "fulfilled"],
    );
  });

  it("a run that waits for its pictures holds nobody up once it is stopped", async () => {
    const { model, jobs, order } = fakeModel();
    const never = { clone: () => never, autoOrient: () => never, toColourspace: () => never, raw: () => never } as never as Sharp;
    Object.assign(never, { metadata: () => never, toBuffer: () => new Promise(() => {}) });
    const stuck = model.generate({ prompt: "stuck", initImage: never });
    const next = model.generate({ prompt: "next" });
    await tick();
    assert.equal(jobs.length, 0);
    stuck.cancel("stop");
    await assert.rejects(
      async () => await stuck,
      (error) => error === "stop",
    );
    await until(() => jobs.length === 1);
    jobs[0]?.finish();
    await next;
    const waiting = model.generate({ prompt: "waiting", initImage: never });
    const end = assert.rejects(async () => await waiting, DisposedError);
    await model.dispose();
    await end;
    assert.deepEqual(order, ["dispose"]);
  });

  it("passes log lines on and survives a listener that throws", async () => {
    const lines: string[] = [];
    const { model, jobs } = fakeModel(({ text }) => {
      lines.push(text);
      throw new Error("listener");
    });
    const run = model.generate({ prompt: "a" });
    jobs[0]?.emit({ type: "log", level: "info", text: "hello" });
    jobs[0]?.finish();
    await run;
    assert.deepEqual(lines, ["hello"]);
  });

  it("knows the memory of its weights", () => {
    const { free, ...weights } = fakeModel().model.memory();
    assert.deepEqual(weights, { weights: 120, parts: { diffusion: 100, vae: 20 } });
    assert.ok((free.cpu ?? 0) > 0);
  });

  it("dispose stops all runs, then frees, once", async () => {
    const { model, order, dispose } = fakeModel();
    const runs = [model.generate({ prompt: "a" }), model.generate({ prompt: "b" })];
    const ends = Promise.allSettled(runs);
    const disposal = model.dispose();
    assert.equal(model.dispose(), disposal);
    await disposal;
    assert.deepEqual(order, ["cancel", "cancel", "dispose"]);
    for (const end of await ends) assert.ok(end.status === "rejected" && end.reason instanceof DisposedError);
    await model[Symbol.asyncDispose]();
    assert.equal(dispose.mock.callCount(), 1);
    await assert.rejects(async () => await model.generate({ prompt: "c" }), DisposedError);
    assert.throws(() => model.memory(), DisposedError);
  });

  it("await using disposes", async () => {
    const { model, order } = fakeModel();
    {
      await using _ = model;
    }
    assert.deepEqual(order, ["dispose"]);
  });
});

describe("loadModel", () => {
  it("rejects before native code for wrong options and files", async () => {
    const invalid = (path: string) => (error: unknown) => error instanceof InvalidOptionError && error.path === path;
    await assert.rejects(loadModel(undefined as never), invalid("options"));
    await assert.rejects(loadModel({ thread: 1 } as never), invalid("thread"));
    await assert.rejects(loadModel({ preset: "nope" as never }), invalid("preset"));
    await assert.rejects(loadModel({}), invalid(""));
    await assert.rejects(loadModel({ diffusionModel: "x" }), ModelFileError);
    await assert.rejects(loadModel({ preset: "demo", files: "x" }), invalid("files"));
    await assert.rejects(loadModel({ model: "does-not-exist.gguf" }), ModelFileError);
    await assert.rejects(loadModel({ model: "https://127.0.0.1:1/x.gguf" }), invalid("model"));
    await assert.rejects(loadModel({ files: ["a.gguf", "https://127.0.0.1:1/x.gguf"] }), invalid("files"));
  });

  it("rejects with the reason of a signal that is already aborted, before it looks at files", async () => {
    const reason = new Error("no");
    const options: ModelOptions = { model: "does-not-exist.gguf", signal: AbortSignal.abort(reason) };
    await assert.rejects(loadModel(options), (error) => error === reason);
  });
});
