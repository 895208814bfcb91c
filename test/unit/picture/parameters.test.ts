import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import { InvalidOptionError } from "../../../lib/errors.js";
import { Image } from "../../../lib/picture/image.js";
import { parseParameters, readParameters, writeParameters } from "../../../lib/picture/parameters.js";
import type { GenerationParameters } from "../../../lib/types/index.js";

const base: GenerationParameters = {
  prompt: "a lighthouse",
  negativePrompt: "",
  width: 128,
  height: 256,
  steps: 8,
  cfgScale: 1,
  sampler: "euler",
  scheduler: "discrete",
  seed: 7n,
  batchCount: 1,
  clipSkip: 2,
  flowShift: 3,
};

/** What the text must give back: everything but the batch, and the extras only when they are not the default. */
function expected({ batchCount: _, clipSkip, flowShift, loras, ...rest }: GenerationParameters) {
  const named = loras?.map(({ path: file, weight }) => ({ name: path.parse(file).name, weight }));
  return {
    ...rest,
    ...(named ? { loras: named } : {}),
    ...(clipSkip === 2 ? {} : { clipSkip }),
    ...(flowShift === 3 ? {} : { flowShift }),
  };
}

function roundTrip(parameters: GenerationParameters, model = { name: "demo", rng: "cuda" }) {
  const text = writeParameters(parameters, model);
  const { fields, text: same, model: name, version, rng, ...parsed } = parseParameters(text);
  assert.equal(same, text);
  assert.deepEqual(parsed, expected(parameters));
  assert.equal(name, model.name);
  assert.match(version ?? "", /^node-sd-cpp \d+\.\d+\.\d+/);
  assert.equal(rng, model.rng === "cuda" ? undefined : model.rng);
  assert.equal(fields.Seed, String(parameters.seed));
  return text;
}

describe("parameters text", () => {
  it("has the common form", () => {
    const text = roundTrip({ ...base, negativePrompt: "fog, rain" });
    assert.match(
      text,
      /^a lighthouse\nNegative prompt: fog, rain\nSteps: 8, Sampler: euler, Schedule type: discrete, CFG scale: 1, Seed: 7, Size: 128x256, Model: demo, Version: node-sd-cpp [\w.-]+$/,
    );
  });

  it("tells of a hires fix", () => {
    const hires = { width: 256, height: 512, steps: 5, strength: 0.5, upscaler: "model", model: "net", tileSize: 96 } as const;
    roundTrip({ ...base, hires });
    const text = writeParameters({ ...base, hires: { ...hires, model: "/some/folder/net.pth" } }, { name: "demo" });
    assert.match(text, /Hires resize: 256x512, Hires upscaler: model, Hires steps: 5, Hires strength: 0\.5, Hires model: net,/);
  });

  const prompts = [
    "",
    "a: b, c; \"d\" \\e 'f'",
    "two\nlines",
    "\n\nleading and trailing\n\n",
    "  spaces  ",
    "Steps: 3, Sampler: lcm, Seed: 1",
    "a\nSteps: 3, Sampler: lcm, Seed: 1",
    "a\nSteps: 3, Sampler: lcm\n",
    "Negative prompt: inside",
    "a\nNegative prompt: inside",
    "a\nNegative prompt: inside\nNegative prompt: again\n",
    "Negative prompt:",
    "Größe 中文 😀\u2028\u0085",
    "tab\tcarriage\r\nreturn",
    "Prompt length: 3",
  ];
  for (const prompt of prompts) {
    it(`gives back ${JSON.stringify(prompt)} with any negative prompt`, () => {
      for (const negativePrompt of prompts) roundTrip({ ...base, prompt, negativePrompt });
    });
  }

  it("gives back image to image and inpainting", () => {
    const text = roundTrip({ ...base, strength: 0.75, fit: "contain" });
    assert.match(text, /, Denoising strength: 0\.75, Init image fit: contain, /);
    for (const keepUnmasked of [true, false]) roundTrip({ ...base, strength: 0, fit: "cover", keepUnmasked, maskFeather: 8 });
  });

  it("gives back the extras", () => {
    const text = roundTrip(
      {
        ...base,
        seed: 2n ** 63n - 1n,
        cfgScale: 4.25,
        variationSeed: 2n ** 62n + 1n,
        variationStrength: 0.1,
        noiseLevel: 0.625,
        outpaint: { left: 16, top: 0, right: 0, bottom: 32 },
        clipSkip: 1,
        flowShift: 1e-7,
        eta: 0,
        sampler: "dpm++2s_a",
        sigmas: [14.6, 1, 1e-9, 0],
        guidance: { start: 0.2, end: 0.8 },
        skipLayerGuidance: { layers: [7, 8, 9], scale: 2.5, start: 0.01, end: 0.2 },
        loras: [
          { path: "/private/folder/style, v2.safetensors", weight: 0.8 },
          { path: 'a "50%" <b>.gguf', weight: -1e-7 },
        ],
        vaeTiling: { tileSize: 128, overlap: 0.25 },
        cache: { mode: "easycache", threshold: 0.05, start: 1e-7, end: 0.9 },
      },
      { name: 'my: "model", v2', rng: "cpu" },
    );
    assert.match(text, /Skip layer guidance: "layers 7 8 9, scale 2.5, start 0.01, end 0.2"/);
    assert.match(text, /LoRA: "<lora:style, v2:0.8> /);
    assert.doesNotMatch(text, /private/);
  });

  for (const prompt of prompts) {
    it(`gives back ${JSON.stringify(prompt)} as T5's text`, () => {
      roundTrip({ ...base, t5Prompt: prompt });
      const text = roundTrip({ ...base, t5Prompt: "a", negativeT5Prompt: prompt });
      assert.match(text, /, T5 prompt: a, Negative T5 prompt: /);
    });
  }

  it("reads the text of other tools", () => {
    const text =
      'cat\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 42, Size: 512x768, Model hash: abc, Lora hashes: "x: 1, y: 2", Version: v1.6.0';
    const { fields, ...parsed } = parseParameters(text);
    const values = { steps: 20, sampler: "DPM++ 2M Karras", cfgScale: 7, seed: 42n, width: 512, height: 768, version: "v1.6.0" };
    assert.deepEqual(parsed, { text, prompt: "cat", negativePrompt: "dog", ...values });
    assert.equal(fields["Lora hashes"], "x: 1, y: 2");
    assert.equal(fields["Model hash"], "abc");
  });

  it("takes a text without fields as a prompt", () => {
    assert.deepEqual(parseParameters("just words"), { text: "just words", prompt: "just words", negativePrompt: "", fields: {} });
  });
});

describe("readParameters", () => {
  it("reads an Image", async () => {
    const pixels = new Uint8Array(3);
    assert.equal((await readParameters(new Image(pixels, 1, 1, 3, writeParameters(base, { name: "demo" }))))?.seed, 7n);
    assert.equal(await readParameters(new Image(pixels, 1, 1, 3)), null);
  });

  it("refuses what is no image", async () => {
    await assert.rejects(
      readParameters(Buffer.from("text")),
      (error: unknown) => error instanceof InvalidOptionError && error.path === "image",
    );
    await assert.rejects(readParameters(7 as never), InvalidOptionError);
    await assert.rejects(readParameters("/does/not/exist.png"), { code: "ERR_INVALID_OPTION", message: /ENOENT/ });
  });
});
