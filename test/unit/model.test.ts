import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import type { NativeEvent, NativeGenerateParams, NativeModel, NativeTimings } from "../../lib/binding.js";
import { DisposedError, InvalidOptionError, MissingComponentError, ModelFileError } from "../../lib/errors.js";
import { familyDefaults } from "../../lib/families.js";
import { loadModel, Model } from "../../lib/model.js";
import { readParameters } from "../../lib/parameters.js";
import type { LogEvent, ModelInfo, ModelOptions } from "../../lib/types.js";

const parts = { diffusion: { bytes: 100, parameters: 50 }, vae: { bytes: 20, parameters: 10 } };
const timings: NativeTimings = { queued: 0, encode: 0, sample: 0, decode: 0, total: 0 };

function fakeModel(onLog?: (event: LogEvent) => void) {
  const order: string[] = [];
  const jobs: { params: NativeGenerateParams; emit: (event: NativeEvent) => void; finish: () => void }[] = [];
  const dispose = mock.fn(async () => {
    order.push("dispose");
  });
  const native: NativeModel = {
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
      const promise = new Promise<NativeTimings>((resolve, reject) => {
        jobs.push({ params, emit, finish: () => resolve(timings) });
        cancel = () => {
          order.push("cancel");
          reject(Object.assign(new Error("cancelled"), { code: "ERR_CANCELLED" }));
        };
      });
      return { promise, cancel };
    },
    dispose,
  };
  const info = {
    family: "sd3.5-medium",
    parts,
    maxSide: 64,
    name: "medium",
    devices: { diffusion: "cpu", textEncoders: "cpu", vae: "cpu" },
    defaults: familyDefaults("sd3.5-medium", 64),
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

  it("rejects wrong options without native work", async () => {
    const { model, jobs } = fakeModel();
    await assert.rejects(
      async () => await model.generate({ prompt: "a", width: 80 }),
      (error) => error instanceof InvalidOptionError && error.path === "width",
    );
    await assert.rejects(async () => await model.generate(undefined as never), InvalidOptionError);
    assert.equal(jobs.length, 0);
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
    assert.deepEqual(fakeModel().model.memory(), { weights: 120, parts: { diffusion: 100, vae: 20 } });
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
    await assert.rejects(loadModel({ preset: "nope" }), invalid("preset"));
    await assert.rejects(loadModel({}), invalid(""));
    await assert.rejects(loadModel({ diffusionModel: "x" }), MissingComponentError);
    await assert.rejects(loadModel({ model: "does-not-exist.gguf" }), ModelFileError);
  });

  it("rejects with the reason of a signal that is already aborted, before it looks at files", async () => {
    const reason = new Error("no");
    const options: ModelOptions = { model: "does-not-exist.gguf", signal: AbortSignal.abort(reason) };
    await assert.rejects(loadModel(options), (error) => error === reason);
  });
});
