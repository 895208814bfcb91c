import assert from "node:assert/strict";
import { test } from "node:test";
import { type NativeField, native } from "../../lib/binding.js";
import {
  checkGenerateOptions,
  checkModelOptions,
  generateOptions,
  hiresUpscalers,
  modelOptions,
  nativeParams,
  previewModes,
  samplers,
  schedulers,
  upscalerOptions,
  weightTypes,
} from "../../lib/options.js";

const defaults = { width: 128, height: 128, steps: 8, cfgScale: 1, sampler: "euler", scheduler: "discrete", flowShift: 3 };
const values = (fields: NativeField[]) => Object.fromEntries(fields.map((field) => [field.name, field.value]));
const choices = (table: "model" | "generate", name: string) =>
  native()
    .describe(table)
    .find((field) => field.name === name)?.values ?? [];

test("every generate option reaches the engine's struct", () => {
  const given = {
    prompt: "a",
    negativePrompt: "b",
    width: 256,
    height: 512,
    steps: 3,
    cfgScale: 2.5,
    sampler: "dpm++2m",
    scheduler: "karras",
    seed: 2n ** 63n - 10n,
    batchCount: 4,
    eta: 0.5,
    flowShift: 1.25,
    sigmas: [1, 0.5, 0.25, 0],
    skipLayerGuidance: { layers: [3, 4], scale: 1.5, start: 0.25, end: 0.75 },
    clipSkip: 3,
    hires: { width: 512, height: 1024, steps: 5, strength: 0.25, upscaler: "model", model: "u", tileSize: 96 },
    preview: { every: 2, mode: "taesd" },
  };
  const nested = Object.entries({ ...given, hires: { enabled: true, ...given.hires } }).flatMap(([name, value]) =>
    typeof value === "object" && !Array.isArray(value) ? Object.entries(value).map(([part, v]) => [`${name}.${part}`, v]) : [[name, value]],
  );
  const names = nested.map(([name]) => name);
  const publicNames = Object.keys(generateOptions).filter((name) => name !== "signal");
  assert.deepEqual(Object.keys(given).sort(), publicNames.sort(), "this test covers every option");
  assert.deepEqual(
    native()
      .describe("generate")
      .map((field) => field.name)
      .sort(),
    names.sort(),
  );

  const { parameters, preview } = checkGenerateOptions(given, { defaults, maxSide: 1024, depth: 24 });
  const received = values(native().describe("generate", nativeParams(parameters, preview)));
  assert.deepEqual(received, Object.fromEntries(nested));
});

test("every model option reaches the engine's struct", () => {
  const files = { model: "m", diffusionModel: "d", clipL: "l", clipG: "g", t5xxl: "t", vae: "v", taesd: "e", taesdPreviewOnly: true };
  const options = { threads: 3, flashAttention: false, mmap: true, weightType: "q4_k", rng: "cpu", promptCache: 5 };
  const checked = checkModelOptions({ ...files, ...options, backend: "cuda:1", placement: { textEncoders: "cpu", vae: "vulkan:0" } });
  const received = values(native().describe("model", { ...checked.files, ...checked.params }));
  assert.deepEqual(received, { ...files, ...options, weightType: "q4_K", backend: "cuda1,te=cpu,vae=vulkan0" });
  const handled = ["preset", "family", "placement", "signal", "onProgress", "onLog"]; // by TypeScript alone
  assert.deepEqual(
    Object.keys(modelOptions)
      .filter((name) => !handled.includes(name))
      .sort(),
    Object.keys(received).sort(),
  );
});

test("every upscaler option reaches the engine", () => {
  const given = { model: "m", threads: 3, tileSize: 64, backend: "cuda1" };
  assert.deepEqual(values(native().describe("upscaler", given)), given);
  const handled = ["signal", "onProgress", "onLog"]; // by TypeScript alone
  assert.deepEqual(
    Object.keys(upscalerOptions)
      .filter((name) => !handled.includes(name))
      .sort(),
    Object.keys(given).sort(),
  );
});

test("TypeScript offers exactly the engine's samplers and schedulers, and weight types that it knows", () => {
  assert.deepEqual(samplers, choices("generate", "sampler"));
  assert.deepEqual(schedulers, choices("generate", "scheduler"));
  assert.deepEqual(hiresUpscalers, choices("generate", "hires.upscaler"));
  assert.deepEqual(previewModes, choices("generate", "preview.mode"));
  const known = choices("model", "weightType").map((name) => name.toLowerCase());
  assert.deepEqual(
    weightTypes.filter((name) => !known.includes(name)),
    [],
  );
});

test("what the C structs cannot hold is refused with its path", () => {
  const refuse = (params: object, message: RegExp) =>
    assert.throws(() => native().describe("generate", params), { name: "TypeError", code: "ERR_INVALID_OPTION", message });
  refuse({ steps: 1.5 }, /^steps: expected a 32-bit integer, received 1\.5$/);
  refuse({ steps: 2 ** 31 }, /^steps/);
  refuse({ width: "64" }, /^width/);
  refuse({ cfgScale: Number.NaN }, /^cfgScale/);
  refuse({ cfgScale: 1e39 }, /^cfgScale/);
  refuse({ seed: 5 }, /^seed: expected a 64-bit bigint/);
  refuse({ seed: 2n ** 63n }, /^seed/);
  refuse({ prompt: "a\0b" }, /^prompt: expected a string without NUL/);
  refuse({ sampler: "eular" }, /^sampler: expected one of euler, /);
  refuse({ skipLayerGuidance: { layers: [1, 2.5] } }, /^skipLayerGuidance\.layers\[1\]/);
  refuse({ sigmas: "1" }, /^sigmas: expected an array/);
  refuse({ stepz: 1 }, /^stepz: no such option$/);
});
