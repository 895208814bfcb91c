import assert from "node:assert/strict";
import { test } from "node:test";
import { type NativeField, native } from "../../lib/binding.js";
import {
  checkGenerateOptions,
  checkModelOptions,
  generateOptions,
  modelOptions,
  nativeParams,
  samplers,
  schedulers,
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
  };
  const names = Object.keys(given).flatMap((name) =>
    name === "skipLayerGuidance" ? Object.keys(given[name]).map((part) => `${name}.${part}`) : [name],
  );
  const publicNames = Object.keys(generateOptions).filter((name) => name !== "signal");
  assert.deepEqual(Object.keys(given).sort(), publicNames.sort(), "this test covers every option");
  assert.deepEqual(
    native()
      .describe("generate")
      .map((field) => field.name)
      .sort(),
    names.sort(),
  );

  const { parameters } = checkGenerateOptions(given, { defaults, maxSide: 1024, depth: 24 });
  const received = values(native().describe("generate", nativeParams(parameters)));
  const { skipLayerGuidance, ...flat } = given;
  const nested = Object.entries(skipLayerGuidance).map(([part, value]) => [`skipLayerGuidance.${part}`, value]);
  assert.deepEqual(received, { ...flat, ...Object.fromEntries(nested) });
});

test("every model option reaches the engine's struct", () => {
  const files = { model: "m", diffusionModel: "d", clipL: "l", clipG: "g", t5xxl: "t", vae: "v", taesd: "e" };
  const options = { threads: 3, flashAttention: false, mmap: true, weightType: "q4_k", rng: "cpu", promptCache: 5 };
  const offload = { params: "cpu", maxVram: 2.5, streamLayers: true } as const;
  const checked = checkModelOptions({
    ...files,
    ...options,
    offload,
    backend: "cuda:1",
    placement: { textEncoders: "cpu", vae: "vulkan:0" },
  });
  const received = values(native().describe("model", { ...checked.files, ...checked.params }));
  const nested = Object.fromEntries(Object.entries(offload).map(([name, value]) => [`offload.${name}`, value]));
  assert.deepEqual(received, { ...files, ...options, ...nested, weightType: "q4_K", backend: "cuda1,te=cpu,vae=vulkan0" });
  const handled = ["preset", "family", "placement", "signal", "onProgress", "onLog"]; // by TypeScript alone
  assert.deepEqual(
    Object.keys(modelOptions)
      .filter((name) => !handled.includes(name))
      .flatMap((name) => (name === "offload" ? Object.keys(nested) : [name]))
      .sort(),
    Object.keys(received).sort(),
  );
});

test("TypeScript offers exactly the engine's samplers and schedulers, and weight types that it knows", () => {
  assert.deepEqual(samplers, choices("generate", "sampler"));
  assert.deepEqual(schedulers, choices("generate", "scheduler"));
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
