import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidOptionError, SdcppError } from "../../../lib/errors.js";
import {
  backendSpec,
  checkEstimateOptions,
  checkGenerateOptions,
  checkModelOptions,
  generateOptions,
  modelOptions,
  nativeParams,
} from "../../../lib/options/index.js";
import { refusedSamplers, refusedSchedulers, samplers, schedulers } from "../../../lib/options/samplers.js";

const limits = {
  defaults: { width: 1024, height: 1024, steps: 28, cfgScale: 4.5, sampler: "euler", scheduler: "normal", flowShift: 3 } as const,
  maxSide: 1024,
  depth: 24,
};
const check = (options: unknown) => checkGenerateOptions(options, limits).parameters;

/** Fails unless `work` throws an InvalidOptionError for exactly this path, with a message that has these parts. */
function rejects(work: () => unknown, path: string, ...parts: (string | RegExp)[]): void {
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof InvalidOptionError, String(error));
    assert.ok(error instanceof TypeError && error instanceof SdcppError);
    assert.equal(error.code, "ERR_INVALID_OPTION");
    assert.equal(error.path, path);
    for (const part of parts)
      assert.match(error.message, typeof part === "string" ? new RegExp(part.replace(/[+^[\].?()]/g, "\\$&")) : part);
    return true;
  });
}

describe("generate options", () => {
  it("fills in the family's defaults", () => {
    const { seed, ...rest } = check({ prompt: "a" });
    assert.ok(seed >= 0n && seed < 2n ** 32n);
    assert.deepEqual(rest, { ...limits.defaults, prompt: "a", negativePrompt: "", batchCount: 1, clipSkip: 2 });
  });

  it("draws another seed each time", () => {
    const seeds = new Set(Array.from({ length: 20 }, () => check({ prompt: "a" }).seed));
    assert.ok(seeds.size > 15);
  });

  it("keeps what is given", () => {
    const given = {
      width: 512,
      height: 16,
      steps: 1000,
      cfgScale: 0,
      sampler: "dpm++2m",
      scheduler: "karras",
      eta: 0,
      flowShift: 1.5,
      clipSkip: 12,
    };
    const { prompt, ...parameters } = check({ prompt: "ü (b:1.2)", negativePrompt: "c", seed: 7, batchCount: 1000, ...given });
    assert.equal(prompt, "ü (b:1.2)");
    assert.deepEqual(parameters, { ...given, negativePrompt: "c", seed: 7n, batchCount: 1000 });
  });

  const wrong: [string, unknown[], string][] = [
    ["prompt", [7, null, ["a"], "a\0b", "é".repeat(8193)], "at most 16384 bytes"],
    ["t5Prompt", [7, null, "a\0b", "é".repeat(8193)], "at most 16384 bytes"],
    ["negativeT5Prompt", [7, null, "é".repeat(8193)], "at most 16384 bytes"],
    ["negativePrompt", [true, null, "x".repeat(16_385)], "at most 16384 bytes"],
    ["width", ["512", 0, 8, 500, 1040, 512.5, Number.NaN, Number.POSITIVE_INFINITY, 512n, null], "a multiple of 16 from 16 to 1024"],
    ["height", ["512", -16, 2048], "a multiple of 16 from 16 to 1024"],
    ["steps", ["4", 0, -1, 1001, 2.5], "an integer from 1 to 1000"],
    ["cfgScale", ["4", -0.1, 101, Number.NaN], "a number from 0 to 100"],
    ["sampler", [1, "", "ddim", "Euler"], 'one of "euler", "euler_a"'],
    ["scheduler", [1, "linear"], 'one of "normal", "beta", "discrete", "karras"'],
    ["seed", ["7", -1, -1n, 0.5, 2 ** 53, 2n ** 63n, Number.NaN], "an integer from 0 to 2^63-1"],
    ["batchCount", ["1", 0, 1001, 1.5], "an integer from 1 to 1000"],
    ["eta", ["0", -0.5, Number.POSITIVE_INFINITY], "a number from 0"],
    ["flowShift", ["3", 0, -1, 1e-60, Number.NaN], "a number above 0"],
    ["sigmas", ["1,0", [1], Array(1002).fill(1), { 0: 1, 1: 0, length: 2 }], "an array of 2 to 1001 items"],
    ["outpaint", [true, 16, [16]], "an object"],
    ["noiseLevel", [0, 1.1, "1"], "a number above 0, at most 1"],
    ["variationSeed", [-1, 1.5, "1"], "an integer from 0 to 2^63-1"],
    ["variationStrength", [-0.1, 1.1, "1"], "a number from 0 to 1"],
    ["guidance", [true, "on", [0, 1]], "an object"],
    ["skipLayerGuidance", ["on", 1, [7]], "object"],
    ["clipSkip", ["2", 0, 13, -1], "an integer from 1 to 12"],
    ["priority", ["high", -11, 11, 0.5], "an integer from -10 to 10"],
    ["loras", ["a.safetensors", 7, { path: "a" }], "an array"],
    ["vaeTiling", ["on", 1, [256]], "object"],
    ["cache", [1, ["easycache"]], "object"],
    ["hires", ["on", 2, [2]], "object"],
    ["preview", ["latent", 1, []], "object"],
    ["signal", [{}, true, new AbortController()], "an AbortSignal"],
    ["initImage", [7, null, true, "", "a\0b", [], {}, new Uint8Array(0), { data: "abc" }, { data: [1] }, new Date()], "a path, the bytes"],
    ["strength", ["0.5", -0.1, 1.1, Number.NaN], "a number from 0 to 1"],
    ["fit", ["inside", 1, "Cover"], 'one of "cover", "contain", "fill"'],
    ["mask", [7, null, "", {}, new Uint8Array(0)], '"alpha", a path, the bytes'],
    ["keepUnmasked", ["true", 1], "true or false"],
    ["maskFeather", ["4", -1, 257, 1.5], "an integer from 0 to 256"],
    ["force", ["true", 1, null], "true or false"],
  ];
  for (const [name, values, expected] of wrong) {
    it(`refuses a wrong ${name}`, () => {
      for (const value of values) rejects(() => check({ prompt: "a", [name]: value }), name, `${name}: expected`, expected, "received");
    });
  }

  it("tests every option of the table", () => {
    assert.deepEqual(new Set(wrong.map(([name]) => name)), new Set(Object.keys(generateOptions)));
  });

  it("says what came", () => {
    rejects(() => check({ prompt: "a", width: "512" }), "width", 'width: expected a multiple of 16 from 16 to 1024, received "512"');
    rejects(() => check({ prompt: "a", seed: -1 }), "seed", "received -1; leave it out for a random seed");
    rejects(() => check({}), "prompt", "but it is missing");
    for (const options of [undefined, null, "a", 7, []]) rejects(() => check(options), "options", "options: expected an object");
  });

  it("suggests the near name", () => {
    rejects(() => check({ prompt: "a", cfgscale: 3 }), "cfgscale", "unknown option cfgscale; did you mean cfgScale?");
    rejects(() => check({ prompt: "a", negative_prompt: "" }), "negative_prompt", "did you mean negativePrompt?");
    rejects(() => check({ prompt: "a", skipLayerGuidance: { layer: [7] } }), "skipLayerGuidance.layer", "did you mean layers?");
    rejects(() => check({ prompt: "a", sampler: "eular" }), "sampler", "did you mean euler?");
    rejects(() => check({ prompt: "a", constructor: 1 }), "constructor", /unknown option constructor$/);
    rejects(() => check(JSON.parse('{"prompt":"a","__proto__":{}}')), "__proto__", "unknown option");
  });

  it("refuses samplers and schedulers that do not suit flow models, with the reason and those that do", () => {
    for (const [name, reason] of Object.entries(refusedSamplers))
      rejects(
        () => check({ prompt: "a", sampler: name }),
        "sampler",
        `expected one of "euler"`,
        samplers.at(-1) ?? "",
        `"${name}"; ${reason}`,
      );
    for (const [name, reason] of Object.entries(refusedSchedulers))
      rejects(() => check({ prompt: "a", scheduler: name }), "scheduler", `"discrete"`, schedulers.at(-1) ?? "", `"${name}"; ${reason}`);
  });

  it("refuses steps with which a schedule does not fall", () => {
    rejects(() => check({ prompt: "a", scheduler: "karras", steps: 1 }), "steps", 'at least 2 for the scheduler "karras", received 1');
    rejects(() => check({ prompt: "a", scheduler: "lcm", steps: 51 }), "steps", 'at most 50 for the scheduler "lcm", received 51');
    assert.equal(check({ prompt: "a", scheduler: "karras", sigmas: [1, 0] }).steps, 1);
    assert.equal(check({ prompt: "a", steps: 1 }).steps, 1);
  });

  it("takes undefined as absent", () => {
    assert.equal(check({ prompt: "a", steps: undefined, signal: undefined }).steps, 28);
  });

  it("checks the seeds of the whole batch", () => {
    assert.equal(check({ prompt: "a", seed: 2n ** 63n - 1n }).seed, 2n ** 63n - 1n);
    assert.equal(check({ prompt: "a", seed: 2n ** 63n - 2n, batchCount: 2 }).batchCount, 2);
    rejects(() => check({ prompt: "a", seed: 2n ** 63n - 1n, batchCount: 2 }), "seed", "seed + batchCount - 1");
    assert.equal(check({ prompt: "a", seed: Number.MAX_SAFE_INTEGER }).seed, 9007199254740991n);
  });

  it("takes a text for T5 where there is one, or may be one", () => {
    const given = { prompt: "a", t5Prompt: "b", negativeT5Prompt: "" };
    const { t5Prompt, negativeT5Prompt } = check(given);
    assert.deepEqual([t5Prompt, negativeT5Prompt], ["b", ""]);
    assert.equal(checkGenerateOptions(given, { ...limits, t5: true }).parameters.t5Prompt, "b");
    rejects(() => checkGenerateOptions(given, { ...limits, t5: false }), "t5Prompt", "load it with t5xxl");
    rejects(() => checkGenerateOptions({ prompt: "a", negativeT5Prompt: "" }, { ...limits, t5: false }), "negativeT5Prompt", "has none");
    assert.ok(!("t5Prompt" in checkGenerateOptions({ prompt: "a" }, { ...limits, t5: false }).parameters));
  });

  it("refuses more steps than a schedule of ours has different levels for, also in a hires fix", () => {
    const of = (options: object) => () => check({ prompt: "a", width: 64, height: 64, scheduler: "beta", ...options } as never);
    assert.throws(of({ steps: 139 }), { code: "ERR_INVALID_OPTION", message: /^steps: expected at most 138 for the scheduler "beta"/ });
    assert.throws(of({ steps: 138, hires: true }), { message: /^hires\.steps: expected at most 96 with strength 0\.7/ });
    assert.equal(of({ steps: 138, hires: { steps: 96 } })().hires?.steps, 96);
  });

  it("takes a variation's seed, random where it is left out, and counts that one up in a batch", () => {
    const most = 2n ** 63n - 1n;
    const { variationSeed } = check({ prompt: "a", variationStrength: 0.5 });
    assert.ok(variationSeed !== undefined && variationSeed >= 0n && variationSeed < 2n ** 32n);
    assert.equal(check({ prompt: "a" }).variationSeed, undefined);
    rejects(() => check({ prompt: "a", variationSeed: 1 }), "variationSeed", "variationStrength too");
    rejects(() => check({ prompt: "a", variationSeed: 1, variationStrength: 1.1 }), "variationStrength", "from 0 to 1");
    const batch = { prompt: "a", batchCount: 2 };
    assert.equal(check({ ...batch, seed: most, variationSeed: 1, variationStrength: 0.5 }).seed, most);
    rejects(() => check({ ...batch, seed: most, variationSeed: 1, variationStrength: 0 }), "seed", "at most 2^63-1");
    rejects(() => check({ ...batch, variationSeed: most, variationStrength: 0.5 }), "variationSeed", "at most 2^63-1");
  });

  it("takes a noise level instead of a strength", () => {
    const initImage = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 };
    const of = (options: object) => check({ prompt: "a", initImage, ...options });
    const { strength, noiseLevel, fit } = of({ noiseLevel: 0.5 });
    assert.deepEqual([strength, noiseLevel, fit], [undefined, 0.5, "cover"]);
    assert.equal(of({}).strength, 0.75);
    rejects(() => check({ prompt: "a", noiseLevel: 0.5 }), "noiseLevel", "initImage too");
    rejects(() => of({ noiseLevel: 0.5, strength: 0.5 }), "noiseLevel", "either strength or noiseLevel");
    rejects(() => of({ noiseLevel: 0.5, sigmas: [0.5, 0] }), "noiseLevel", "none beside sigmas");
    rejects(() => of({ noiseLevel: 0.5, scheduler: "karras" }), "noiseLevel", '"normal" or "beta"');
    assert.equal(of({ noiseLevel: 0.5, scheduler: "beta" }).noiseLevel, 0.5);
  });

  it("works out the final size of a hires fix", () => {
    const size = (hires: boolean | object) => {
      const { width, height } = check({ prompt: "a", width: 256, height: 128, hires } as never).hires ?? {};
      return [width, height];
    };
    assert.deepEqual(size(true), [512, 256]);
    assert.deepEqual(size({ scale: 1.3 }), [336, 160], "to the nearest multiples of 16");
    assert.deepEqual(size({ width: 320 }), [320, 160]);
    assert.deepEqual(size({ height: 192 }), [384, 192]);
    assert.deepEqual(size({ width: 256, height: 512 }), [256, 512]);
    assert.deepEqual(size(false), [undefined, undefined]);
    assert.equal(check({ prompt: "a", steps: 9, width: 64, height: 64, hires: true }).hires?.steps, 9);
  });

  it("checks sigmas together", () => {
    const sigmas = [1, 0.5, 0.25, 0];
    assert.equal(check({ prompt: "a", sigmas }).steps, 3);
    assert.equal(check({ prompt: "a", sigmas, steps: 3 }).steps, 3);
    rejects(() => check({ prompt: "a", sigmas, steps: 4 }), "steps", "expected 3");
    rejects(() => check({ prompt: "a", sigmas: [1, 0.5, 0.6] }), "sigmas[2]", "less than 0.5");
    rejects(() => check({ prompt: "a", sigmas: [1, 0.5, 0.5, 0] }), "sigmas[2]", "less than 0.5");
    rejects(() => check({ prompt: "a", sigmas: [1, Number.NaN] }), "sigmas[1]", "received NaN");
    rejects(() => check({ prompt: "a", sigmas: [0, 0] }), "sigmas[0]", "above 0");
    rejects(() => check({ prompt: "a", sigmas: new Array(3) }), "sigmas[0]", "received undefined");
  });

  it("checks skip-layer guidance", () => {
    const published = { layers: [7, 8, 9], scale: 2.5, start: 0.01, end: 0.2 };
    rejects(() => check({ prompt: "a", guidance: { start: 0.5, end: 0.4 } }), "guidance.end", "at least 0.5");
    assert.deepEqual(check({ prompt: "a", guidance: { end: 0.6 } }).guidance, { start: 0, end: 0.6 });
    const guidance = (skipLayerGuidance: unknown) => check({ prompt: "a", skipLayerGuidance }).skipLayerGuidance;
    assert.deepEqual(guidance(true), published);
    assert.equal(guidance(false), undefined);
    assert.deepEqual(guidance({ scale: 1 }), { ...published, scale: 1 });
    rejects(() => guidance({ layers: [7, 8, -1] }), "skipLayerGuidance.layers[2]", "received -1");
    rejects(() => guidance({ layers: [7, 24] }), "skipLayerGuidance.layers[1]", "from 0 to 23", "received 24");
    rejects(() => guidance({ start: 0.5, end: 0.4 }), "skipLayerGuidance.end", "at least 0.5");
    rejects(() => guidance({ end: 1.1 }), "skipLayerGuidance.end", "from 0 to 1");
    rejects(
      () => checkGenerateOptions({ prompt: "a", skipLayerGuidance: true }, { ...limits, depth: 4 }),
      "skipLayerGuidance.layers[0]",
      "4 blocks",
    );
  });

  it("checks raw images: sides, channels and length", () => {
    const raw = { data: new Uint8Array(4 * 2 * 3), width: 4, height: 2, channels: 3 };
    const wrongRaw = (part: object, path: string, ...message: string[]) =>
      rejects(() => check({ prompt: "a", initImage: { ...raw, ...part } }), `initImage.${path}`, ...message);
    wrongRaw({ data: new Uint8Array(23) }, "data", "expected 4 x 2 x 3 = 24 bytes, received 23");
    wrongRaw({ data: new Uint8Array(0) }, "data", "received 0");
    wrongRaw({ channels: 4 }, "data", "expected 4 x 2 x 4 = 32 bytes, received 24");
    for (const channels of [0, 2, 5, "3", undefined]) wrongRaw({ channels }, "channels", "expected 1, 3 or 4");
    for (const width of [0, -4, 1.5, 65_536, "4", undefined]) wrongRaw({ width }, "width", "an integer from 1 to 65535");
    wrongRaw({ height: 0 }, "height", "received 0");
    rejects(() => check({ prompt: "a", initImage: raw, mask: { ...raw, width: 5 } }), "mask.data", "= 30 bytes");
  });

  it("checks image to image and inpainting together", () => {
    const initImage = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 };
    const image = check({ prompt: "a", initImage });
    assert.deepEqual([image.strength, image.fit, image.keepUnmasked, image.maskFeather], [0.75, "cover", undefined, undefined]);
    const inpaint = check({ prompt: "a", initImage, mask: "alpha", strength: 0, fit: "fill", maskFeather: 3 });
    assert.deepEqual([inpaint.strength, inpaint.fit, inpaint.keepUnmasked, inpaint.maskFeather], [0, "fill", true, 3]);
    assert.ok(!("initImage" in inpaint) && !("mask" in inpaint));
    for (const alone of [{ mask: "a.png" }, { strength: 0.5 }, { fit: "fill" }])
      rejects(() => check({ prompt: "a", ...alone }), Object.keys(alone)[0] as string, "expected initImage too");
    for (const alone of [{ keepUnmasked: true }, { maskFeather: 0 }])
      rejects(() => check({ prompt: "a", initImage, ...alone }), Object.keys(alone)[0] as string, "expected mask too");
    const nothingToFade = { prompt: "a", initImage, mask: "alpha", keepUnmasked: false };
    rejects(() => check({ ...nothingToFade, maskFeather: 1 }), "maskFeather", "expected 0 when keepUnmasked is false");
    assert.equal(check({ ...nothingToFade, maskFeather: 0 }).keepUnmasked, false);
    const hires = { prompt: "a", initImage, mask: "alpha", width: 64, height: 64, hires: true };
    for (const kept of [{}, { keepUnmasked: true }]) rejects(() => check({ ...hires, ...kept }), "hires", "expected keepUnmasked: false");
    assert.equal(check({ ...hires, keepUnmasked: false }).hires?.width, 128);
  });

  it("tells the engine how many steps a strength stands for", () => {
    const drawn = (strength: number, steps: number) => {
      const picture = { data: new Uint8Array(0), width: 0, height: 0, channels: 3 };
      const params = nativeParams({ ...check({ prompt: "a", steps }), strength }, { initImage: picture });
      return params.initImage ? Math.floor(Math.fround(Math.fround(params.strength as number) * steps)) + 1 : "text to image";
    };
    assert.deepEqual(
      [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99].map((strength) => drawn(strength, 8)),
      [1, 1, 2, 4, 6, 8, 8],
    );
    assert.deepEqual(
      [0.25, 0.75, 0.9].map((strength) => drawn(strength, 4)),
      [1, 3, 4],
    );
    assert.equal(drawn(0.75, 1), 1);
    assert.equal(drawn(1, 8), "text to image");
    for (let steps = 2; steps <= 1000; steps++) assert.equal(drawn(0.6, steps), Math.ceil(Number((steps * 0.6).toFixed(9))), String(steps));
  });

  it("checks LoRAs and takes tags out of the prompt", () => {
    assert.deepEqual(check({ prompt: "a", loras: [{ path: "l" }] }).loras, [{ path: "l", weight: 1 }]);
    assert.equal(check({ prompt: "a", loras: [] }).loras, undefined);
    rejects(() => check({ prompt: "a", loras: ["l"] }), "loras[0]", "an object");
    rejects(() => check({ prompt: "a", loras: [{ path: "l" }, { weight: 1 }] }), "loras[1].path", "missing");
    rejects(() => check({ prompt: "a", loras: [{ path: "l", weight: 101 }] }), "loras[0].weight", "from -100 to 100");
    rejects(() => check({ prompt: "a <lora:l>" }), "prompt", "without loraDir");
    rejects(() => check({ prompt: "a", negativePrompt: "<lora:l:1>" }), "negativePrompt", "belong in prompt");
    assert.equal(check({ prompt: "a <lora and > b" }).prompt, "a <lora and > b");
    const names = ["", ".", "..", "../l", "a/b", "a\\b", "/etc/passwd", "a/../../l", "..\\l", "a//b", "l/."];
    const inFolder = (name: string) => checkGenerateOptions({ prompt: `<lora:${name}:1>` }, { ...limits, loraDir: __dirname });
    for (const name of names) rejects(() => inFolder(name), "prompt", "is no file in loraDir", "no .safetensors or .gguf file is there");
    rejects(() => inFolder("C:l"), "prompt", "as the weight in <lora:C:l:1>");
  });

  it("reads each property once and copies arrays", () => {
    const reads: string[] = [];
    const sigmas = [1, 0];
    const options = new Proxy(
      { prompt: "a", sigmas, skipLayerGuidance: { layers: [1] } },
      {
        get(target, name, receiver) {
          reads.push(String(name));
          return Reflect.get(target, name, receiver);
        },
      },
    );
    const parameters = check(options);
    assert.equal(new Set(reads).size, reads.length);
    sigmas[0] = 99;
    options.skipLayerGuidance.layers[0] = 99;
    assert.deepEqual(parameters.sigmas, [1, 0]);
    assert.deepEqual(parameters.skipLayerGuidance?.layers, [1]);
    let width = 16;
    const changing = {
      prompt: "a",
      get width() {
        width *= 10;
        return width;
      },
    };
    assert.equal(check(changing).width, 160);
  });

  it("replaces lone surrogates as the engine's text will have them", () => {
    assert.equal(check({ prompt: "a\ud800b" }).prompt, "a\ufffdb");
  });
});

describe("estimate options", () => {
  it("takes those of a load and of a picture that decide its memory", () => {
    const given = { diffusionModel: "d", width: 512, batchCount: 2, chunks: 3, t5Tokens: 100, imageToImage: true };
    const { model, picture, ...rest } = checkEstimateOptions(given);
    assert.deepEqual([model.files, picture], [{ diffusionModel: "d" }, { width: 512, batchCount: 2 }]);
    assert.deepEqual(rest, { chunks: 3, t5Tokens: 100, imageToImage: true });
  });

  it("refuses wrong values and other options", () => {
    rejects(() => checkEstimateOptions({ width: 500 }), "width", "a multiple of 16");
    rejects(() => checkEstimateOptions({ chunks: 17 }), "chunks", "an integer from 1 to 16");
    rejects(() => checkEstimateOptions({ t5Tokens: 1233 }), "t5Tokens", "an integer from 77 to 1232");
    rejects(() => checkEstimateOptions({ imageToImage: "a.png" }), "imageToImage", "true or false");
    rejects(() => checkEstimateOptions({ placement: { textencoder: "cpu" } }), "placement.textencoder", "did you mean textEncoders?");
    rejects(() => checkEstimateOptions({ steps: 4 }), "steps", "unknown option");
    rejects(() => checkEstimateOptions(undefined), "options", "expected an object");
  });
});

describe("model options", () => {
  it("takes the threads from SDCPP_THREADS where they are not given, and names the variable when it is wrong", () => {
    const threads = (options: object) => checkModelOptions({ model: "m", ...options }).params.threads;
    try {
      process.env.SDCPP_THREADS = "3";
      assert.deepEqual([threads({}), threads({ threads: 2 })], [3, 2]);
      process.env.SDCPP_THREADS = "many";
      rejects(() => threads({}), "SDCPP_THREADS", "an integer from 1 to 512");
      process.env.SDCPP_THREADS = "";
      assert.equal(threads({}), undefined);
    } finally {
      delete process.env.SDCPP_THREADS;
    }
  });

  it("splits them into files and parameters for native code", () => {
    const defaults = { mmap: false, rng: "cuda", promptCache: 8, loraApplyMode: "auto", taesdPreviewOnly: false };
    const signal = new AbortController().signal;
    const options = {
      diffusionModel: "d.gguf",
      clipL: "l.gguf",
      taesd: "t.gguf",
      threads: 4,
      weightType: "q4_k",
      backend: "cuda:1",
      signal,
    };
    const checked = checkModelOptions({ ...options, placement: { textEncoders: "cpu" } });
    assert.deepEqual(checked.files, { diffusionModel: "d.gguf", clipL: "l.gguf", taesd: "t.gguf" });
    assert.deepEqual(checked.params, { ...defaults, threads: 4, weightType: "q4_K", backend: "cuda1,te=cpu" });
    assert.equal(checked.signal, signal);
  });

  const wrong: [string, unknown[]][] = [
    ...["model", "diffusionModel", "clipL", "clipG", "t5xxl", "vae", "taesd"].map((name): [string, unknown[]] => [
      name,
      ["", "a\0b", 7, null],
    ]),
    ["files", ["", [], 7, null]],
    ["preset", ["demos", 1]],
    ["family", ["sd3.5-huge", 1]],
    ["offload", ["disk", true, null]],
    ["backend", ["", "cuda0", "cuda:", "cuda:-1", "opencl:0", "CPU", 0]],
    ["placement", ["cpu", null]],
    ["taesdPreviewOnly", ["true", 1]],
    ["threads", [0, 513, "4", 1.5]],
    ["flashAttention", ["true", 1]],
    ["mmap", ["", 0]],
    ["weightType", ["q4_K", "q3", 8]],
    ["rng", ["cude", 1]],
    ["loraDir", ["", 7, null]],
    ["loraApplyMode", ["merge", 1]],
    ["offload", ["cpu", 7, null]],
    ["promptCache", [-1, 1001, "8"]],
    ["isolate", ["true", 1]],
    ["force", ["true", 1]],
    ["maxQueue", [-1, 1_000_001, 0.5, "8"]],
    ["signal", [{}]],
    ["onProgress", [{}]],
    ["onLog", ["log"]],
  ];
  for (const [name, values] of wrong) {
    it(`refuses a wrong ${name}`, () => {
      for (const value of values) rejects(() => checkModelOptions({ [name]: value }), name, `${name}: expected`, "received");
    });
  }

  it("tests every option of the table", () => {
    assert.deepEqual(new Set(wrong.map(([name]) => name)), new Set(Object.keys(modelOptions)));
  });

  it("names nested paths and the form of a backend", () => {
    rejects(() => checkModelOptions({ placement: { vae: "gpu0" } }), "placement.vae", 'one device as "cuda:0"', 'received "gpu0"');
    rejects(() => checkModelOptions({ placement: { textencoder: "cpu" } }), "placement.textencoder", "did you mean textEncoders?");
    rejects(() => checkModelOptions({ preset: "demos" }), "preset", 'one of "demo"', "did you mean demo?");
  });

  it("takes one file or folder, or several, to look for parts in", () => {
    assert.deepEqual(checkModelOptions({ files: "models" }).found, ["models"]);
    assert.deepEqual(checkModelOptions({ files: ["a", "b"], vae: "c" }).found, ["a", "b"]);
    assert.deepEqual(checkModelOptions({ files: ["a", "b"], vae: "c" }).files, { vae: "c" });
    rejects(() => checkModelOptions({ files: ["a", 7] }), "files[1]", "expected a non-empty string", "received 7");
    rejects(() => checkModelOptions({ files: 7 }), "files", "or an array of 1 to 1000 items");
    rejects(() => checkModelOptions({ files: "a", preset: "demo" }), "files", "no preset beside it");
  });

  it("writes the engine's backend syntax", () => {
    assert.equal(backendSpec("auto"), undefined);
    assert.equal(backendSpec("cpu"), "cpu");
    assert.equal(backendSpec("gpu"), "gpu");
    assert.equal(backendSpec("metal"), "mtl");
    assert.equal(backendSpec("vulkan:12"), "vulkan12");
    assert.equal(backendSpec("auto", { vae: "auto" }), undefined);
    assert.equal(backendSpec("auto", { vae: "cpu" }), "vae=cpu");
    assert.equal(backendSpec("cuda:0", { diffusion: "cuda:1", textEncoders: "cpu", vae: "gpu" }), "cuda0,diffusion=cuda1,te=cpu,vae=gpu");
  });
});
