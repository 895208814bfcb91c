import assert from "node:assert/strict";
import { test } from "node:test";
import { type NativeField, native } from "../../lib/engine/binding.js";
import { betaSigmas } from "../../lib/options/beta.js";
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
} from "../../lib/options/index.js";
import { refusedSamplers, refusedSchedulers } from "../../lib/options/samplers.js";
import { guidanceWindow, levelsFrom, normalSigmas } from "../../lib/options/schedule.js";

const defaults = { width: 128, height: 128, steps: 8, cfgScale: 1, sampler: "euler", scheduler: "normal", flowShift: 3 } as const;
const values = (fields: NativeField[]) => Object.fromEntries(fields.map((field) => [field.name, field.value]));
const choices = (table: "model" | "generate", name: string) =>
  native()
    .describe(table)
    .find((field) => field.name === name)?.values ?? [];

const pixels = (width: number, height: number, channels: 1 | 3) => {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => i % 251);
  return { data, width, height, channels };
};

test("every generate option reaches the engine's struct", () => {
  const given = {
    prompt: "a",
    negativePrompt: "b",
    t5Prompt: "c",
    negativeT5Prompt: "d",
    width: 256,
    height: 512,
    steps: 3,
    cfgScale: 2.5,
    sampler: "dpm++2m",
    scheduler: "karras",
    seed: 2n ** 63n - 10n,
    variationSeed: 2n ** 62n,
    variationStrength: 0.25,
    batchCount: 4,
    eta: 0.5,
    flowShift: 1.25,
    sigmas: [1, 0.5, 0.25, 0],
    guidance: { start: 0.25, end: 0.5 },
    skipLayerGuidance: { layers: [3, 4], scale: 1.5, start: 0.25, end: 0.75 },
    clipSkip: 3,
    loras: [{ path: "l.gguf", weight: 0.5 }],
    vaeTiling: { tileSize: 128, overlap: 0.25 },
    cache: { mode: "easycache", threshold: 0.5, start: 0.25, end: 0.75 },
    initImage: pixels(256, 512, 3),
    mask: pixels(256, 512, 1),
    strength: 0.5, // 1.5 of 3 steps, rounded up to 2, which is the engine's 0.5
    keepUnmasked: false,
    maskFeather: 0,
    fit: "fill",
    force: true,
    priority: -7,
    hires: { width: 512, height: 1024, steps: 5, strength: 0.25, upscaler: "model", model: "u", tileSize: 96 },
    preview: { every: 2, mode: "taesd" },
  };
  const others = [
    "hires.enabled",
    "vaeTiling.enabled",
    "vaeTiling.relativeSize",
    "cache.warmup",
    "cache.window",
    "cache.windowGrowth",
    "hires.sigmas",
  ]; // not together
  const nestedNames = ["guidance", "skipLayerGuidance", "vaeTiling", "cache", "hires", "preview"] as const;
  const names = Object.keys(given).filter((name) => !nestedNames.includes(name as "cache"));
  for (const name of nestedNames) names.push(...Object.keys(given[name]).map((part) => `${name}.${part}`));
  names.push(...others);
  const publicNames = Object.keys(generateOptions).filter((name) => !["signal", "outpaint", "noiseLevel"].includes(name)); // the last two become a mask and sigmas, in TypeScript
  const handled = ["fit", "force"]; // by TypeScript alone
  assert.deepEqual(Object.keys(given).sort(), publicNames.sort(), "this test covers every option");
  assert.deepEqual(
    native()
      .describe("generate")
      .map((field) => field.name)
      .sort(),
    names.filter((name) => !handled.includes(name)).sort(),
  );

  const { parameters, preview, priority } = checkGenerateOptions(given, { defaults, maxSide: 1024, depth: 24 });
  const images = { initImage: given.initImage, mask: given.mask };
  const received = values(native().describe("generate", { ...nativeParams(parameters, images, preview, ["plan"]), priority }));
  const {
    guidance: _window,
    skipLayerGuidance: _guidance,
    vaeTiling: _tiling,
    cache: _cache,
    hires: _hires,
    preview: _preview,
    ...plain
  } = given;
  const { fit: _fit, force: _force, ...flat } = plain;
  const nested = nestedNames.flatMap((name) => Object.entries(given[name]).map(([part, value]) => [`${name}.${part}`, value]));
  const unset = {
    "hires.enabled": true,
    "vaeTiling.relativeSize": 0,
    "cache.warmup": 4,
    "cache.window": 2,
    "cache.windowGrowth": 0.5,
    "hires.sigmas": [],
  };
  const window = guidanceWindow(given.skipLayerGuidance, [2, 6]); // steps of both passes
  const inside = { "skipLayerGuidance.start": Math.fround(window.start), "skipLayerGuidance.end": Math.fround(window.end) };
  const latent = { "vaeTiling.enabled": true, "vaeTiling.tileSize": 16 };
  const loras = [{ path: "l.gguf", weight: 0.5, plan: "plan" }];
  assert.deepEqual(received, { ...flat, loras, ...Object.fromEntries(nested), ...unset, ...latent, ...inside });
});

test("the schedule that is ours reaches the engine as noise levels, and a hires fix's as its end", () => {
  const check = (options: object) => {
    const { parameters } = checkGenerateOptions({ prompt: "a", ...options }, { defaults, maxSide: 1024, depth: 24 });
    const { sigmas, steps, ...others } = values(native().describe("generate", nativeParams(parameters)));
    return { sigmas, steps, hires: others["hires.sigmas"] };
  };
  const levels = [1, 0.75, 0].map(Math.fround);
  const hires = { width: 256, height: 256, steps: 2, strength: 0.5 };
  assert.deepEqual(check({ steps: 3 }), { sigmas: normalSigmas(3, 3), steps: 3, hires: [] });
  assert.deepEqual(check({ steps: 3, hires }), { sigmas: normalSigmas(3, 3), steps: 3, hires: normalSigmas(4, 3).slice(1) });
  assert.deepEqual(check({ sigmas: levels, hires }), { sigmas: levels, steps: 2, hires: normalSigmas(4, 3).slice(1) });
  const begun = check({ steps: 4, initImage: pixels(16, 16, 3), noiseLevel: 0.7 });
  assert.deepEqual(begun, { sigmas: levelsFrom(0.7, normalSigmas(4, 3)), steps: 3, hires: [] });
  const beta = { scheduler: "beta", steps: 3 };
  assert.deepEqual(check({ ...beta, hires }), { sigmas: betaSigmas(3, 3), steps: 3, hires: betaSigmas(4, 3).slice(1) });
  assert.deepEqual(check({ steps: 3, scheduler: "discrete", hires }), { sigmas: [], steps: 3, hires: [] });
});

test("the other members of tiling and caches reach the engine's struct", () => {
  const check = (options: object) => {
    const { parameters } = checkGenerateOptions({ prompt: "a", ...options }, { defaults, maxSide: 1024, depth: 24 });
    return values(native().describe("generate", nativeParams(parameters, undefined, undefined, ["l", "n"])));
  };
  const spectrum = check({ cache: { mode: "spectrum", end: 0.5, warmup: 3, window: 5, windowGrowth: 1.5 } });
  assert.equal(spectrum["cache.mode"], "spectrum");
  assert.deepEqual(["end", "warmup", "window", "windowGrowth"].map((name) => spectrum[`cache.${name}`]), [0.5, 3, 5, 1.5]); // biome-ignore format: short
  assert.deepEqual([check({ cache: true })["cache.mode"], check({ cache: "dbcache" })["cache.mode"]], ["easycache", "dbcache"]);
  assert.deepEqual([check({ cache: false })["cache.mode"], check({})["cache.mode"]], ["disabled", "disabled"]);
  assert.deepEqual([check({ vaeTiling: true })["vaeTiling.tileSize"], check({})["vaeTiling.enabled"]], [32, false]);
  assert.equal(check({ vaeTiling: { relativeSize: 0.5 } })["vaeTiling.relativeSize"], 0.5);
  assert.deepEqual(check({ loras: [{ path: "l", weight: 0 }, { path: "m" }] }).loras, [{ path: "m", weight: 1, plan: "n" }], "no change, not merged"); // biome-ignore format: short
});

test("every model option reaches the engine's struct", () => {
  const files = { model: "m", diffusionModel: "d", clipL: "l", clipG: "g", t5xxl: "t", vae: "v", taesd: "e", taesdPreviewOnly: true };
  const options = {
    threads: 3,
    flashAttention: false,
    mmap: true,
    weightType: "q4_k",
    rng: "cpu",
    promptCache: 5,
    loraApplyMode: "at_runtime",
  };
  const offload = { params: "cpu", maxVram: 2.5, streamLayers: true };
  const placed = { backend: "cuda:1", placement: { textEncoders: "cpu", vae: "vulkan:0" } };
  const checked = checkModelOptions({ ...files, ...options, offload, ...placed });
  const received = values(native().describe("model", { ...checked.files, ...checked.params, plans: "{}" }));
  const nested = Object.fromEntries(Object.entries(offload).map(([part, value]) => [`offload.${part}`, value]));
  assert.deepEqual(received, { ...files, ...options, ...nested, plans: "{}", weightType: "q4_K", backend: "cuda1,te=cpu,vae=vulkan0" });
  const handled = ["files", "preset", "family", "placement", "loraDir", "force", "maxQueue", "isolate", "signal", "onProgress", "onLog"]; // by TypeScript alone
  const reaching = Object.keys(modelOptions).filter((name) => !handled.includes(name));
  const firstParts = new Set(Object.keys(received).map((name) => name.split(".")[0]));
  assert.deepEqual([...reaching, "plans"].sort(), [...firstParts].sort()); // plans are made, not given
});

test("every upscaler option reaches the engine", () => {
  const given = { model: "m", threads: 3, tileSize: 64, backend: "cuda1" };
  assert.deepEqual(values(native().describe("upscaler", given)), given);
  const handled = ["isolate", "signal", "onProgress", "onLog"]; // by TypeScript alone
  assert.deepEqual(
    Object.keys(upscalerOptions)
      .filter((name) => !handled.includes(name))
      .sort(),
    Object.keys(given).sort(),
  );
});

test("TypeScript offers or refuses each of the engine's samplers and schedulers, and offers weight types that it knows", () => {
  assert.deepEqual([...samplers, ...Object.keys(refusedSamplers)].sort(), choices("generate", "sampler").sort());
  assert.deepEqual(
    ["normal", "beta", ...choices("generate", "scheduler")].sort(),
    [...schedulers, ...Object.keys(refusedSchedulers)].sort(),
  );
  assert.deepEqual(hiresUpscalers, choices("generate", "hires.upscaler"));
  assert.deepEqual(previewModes, choices("generate", "preview.mode"));
  const known = choices("model", "weightType").map((name) => name.toLowerCase());
  assert.deepEqual(
    weightTypes.filter((name) => !known.includes(name)),
    [],
  );
});

test("LoRAs are merged or added as asked, but never merged into mapped files", () => {
  const mode = (options: object) => values(native().describe("model", checkModelOptions(options).params)).loraApplyMode;
  assert.equal(mode({}), "auto");
  assert.equal(mode({ loraApplyMode: "immediately" }), "immediately");
  assert.equal(mode({ mmap: true }), "at_runtime");
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
  const picture = pixels(4, 2, 3);
  refuse({ initImage: "a.png" }, /^initImage: expected an image/);
  refuse({ initImage: { ...picture, data: picture.data.subarray(1) } }, /^initImage\.data: expected 24 bytes, received 23$/);
  refuse({ initImage: { ...picture, width: 5 } }, /^initImage\.data: expected 30 bytes, received 24$/);
  refuse({ initImage: { ...picture, width: 65_536, height: 65_535 } }, /^initImage\.width: expected 1 to 65535 pixels, received 65536$/);
  refuse({ initImage: { ...picture, height: 0 } }, /^initImage\.height/);
  refuse({ initImage: { ...picture, channels: 4 } }, /^initImage\.channels: expected 3, received 4$/);
  refuse({ initImage: { ...picture, data: [...picture.data] } }, /^initImage\.data: expected a Uint8Array/);
  refuse({ initImage: { ...picture, data: new Uint16Array(24) } }, /^initImage\.data: expected a Uint8Array/);
  refuse({ mask: picture }, /^mask\.channels: expected 1, received 3$/);
  refuse({ stepz: 1 }, /^stepz: no such option$/);
});
