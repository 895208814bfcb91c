import { randomInt } from "node:crypto";
import type { NativeGenerateParams, NativeImages, NativeModelParams } from "./binding.js";
import { checkOptions, checkValue, maxSeed, type Option, type OptionTable } from "./check.js";
import { InvalidOptionError } from "./errors.js";
import { families } from "./families.js";
import { loraOfText, takeTags } from "./loras.js";
import { refusedSamplers, refusedSchedulers, samplers, schedulers, scheduleSteps } from "./samplers.js";
import type {
  ConvertOptions,
  Family,
  Fit,
  GenerateOptions,
  GenerationParameters,
  Hires,
  HiresParameters,
  ImageInput,
  LogEvent,
  Lora,
  ModelDefaults,
  ModelFiles,
  Module,
  Offload,
  Preview,
  PreviewMode,
  ProgressEvent,
  SkipLayerGuidance,
  StepCache,
  VaeTiling,
} from "./types.js";

export { samplers, schedulers };
export const weightTypes = "f32 f16 bf16 q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k".split(" ");
export const convertTypes = [...weightTypes, "iq4_nl", "iq4_xs"];
export const hiresUpscalers =
  "latent latent-nearest latent-nearest-exact latent-antialiased latent-bicubic latent-bicubic-antialiased lanczos nearest model".split(
    " ",
  );
export const previewModes: readonly PreviewMode[] = ["latent", "taesd", "vae"];
export const presets = ["demo"];
export const loraApplyModes = ["auto", "immediately", "at_runtime"];
/** Those that do something for SD 3; see docs/caches.md for the others. */
export const cacheModes = ["easycache", "dbcache", "spectrum"];
export const fits: Fit[] = ["cover", "contain", "fill"];

const file = { kind: "string", maxBytes: 32_768, filled: true } as const;
const backend = {
  kind: "pattern",
  pattern: /^(auto|cpu|gpu|metal|(cuda|vulkan)(:\d{1,2})?)$/,
  form: '"auto", "cpu", "gpu", "metal", "cuda", "vulkan", or one device as "cuda:0" or "vulkan:1"',
} as const;
// Room for what 16 chunks of tokens can hold (native/engine/conditioner.cc has that limit), with weights.
const prompt = { kind: "string", maxBytes: 16_384 } as const;

export const fileOptions: OptionTable = {
  model: { ...file, description: "All-in-one file: diffusion model, and possibly text encoders and VAE" },
  diffusionModel: { ...file, description: "File with the diffusion transformer alone" },
  clipL: { ...file, description: "CLIP-L text encoder" },
  clipG: { ...file, description: "CLIP-G text encoder" },
  t5xxl: { ...file, description: "T5-XXL text encoder" },
  vae: { ...file, description: "VAE" },
  taesd: { ...file, description: "TAESD3, a tiny and fast replacement of the VAE" },
};

export const modelOptions: OptionTable = {
  ...fileOptions,
  preset: { kind: "enum", values: presets, description: "A model known by name instead of by files" },
  family: { kind: "enum", values: Object.keys(families), defaultText: "read from the file", description: "Family whose defaults apply" },
  backend: { ...backend, default: "auto", description: "Where to compute: auto, cpu, gpu, metal, cuda:0, vulkan:1" },
  placement: {
    kind: "object",
    members: {
      diffusion: { ...backend, defaultText: "backend", description: "Where to compute the diffusion model" },
      textEncoders: { ...backend, defaultText: "backend", description: "Where to compute the text encoders" },
      vae: { ...backend, defaultText: "backend", description: "Where to compute the VAE" },
    },
    description: "Another backend for single modules",
  },
  taesdPreviewOnly: { kind: "boolean", default: false, description: "TAESD for previews alone; the VAE makes the pictures" },
  threads: { kind: "integer", min: 1, max: 512, defaultText: "physical cores", description: "Compute threads on the CPU" },
  flashAttention: { kind: "boolean", defaultText: "true, for the demo false", description: "Flash attention in the diffusion model" },
  mmap: { kind: "boolean", default: false, description: "Map the files instead of reading them" },
  offload: {
    kind: "object",
    members: {
      params: {
        kind: "enum",
        values: ["cpu", "disk"],
        defaultText: "the backend",
        description: "Where weights wait until they are needed",
      },
      maxVram: { kind: "number", min: 0, above: true, max: 1024, description: "GiB that one computation may take on a GPU" },
      streamLayers: { kind: "boolean", default: false, description: "Fetch the next layers while some compute" },
    },
    description: "Where the weights wait, and how much of a GPU's memory is used",
  },
  weightType: { kind: "enum", values: weightTypes, defaultText: "as in the file", description: "Convert weights while loading" },
  rng: { kind: "enum", values: ["cuda", "cpu", "std_default"], default: "cuda", description: "Random generator of the noise" },
  promptCache: { kind: "integer", min: 0, max: 1000, default: 8, description: "Prompts whose encoding is kept" },
  loraDir: { ...file, description: "Folder of the LoRAs that prompts name as <lora:name:0.8>" },
  loraApplyMode: {
    kind: "enum",
    values: loraApplyModes,
    default: "auto",
    description: "Merge LoRAs into the weights, or add them in each step",
  },
  maxQueue: { kind: "integer", min: 0, max: 1_000_000, defaultText: "no limit", codeOnly: true, description: "Runs that may wait" },
  signal: { kind: "signal", description: "Stops the load" },
  onProgress: { kind: "callback", description: "Called as the weights come in" },
  onLog: { kind: "callback", description: "Called with each line the engine logs" },
};

export const convertOptions: OptionTable = {
  input: { ...file, required: true, description: "Checkpoint to convert" },
  output: { ...file, required: true, description: "GGUF file to write" },
  type: { kind: "enum", values: convertTypes, required: true, description: "Type of the weights" },
  vae: { ...file, description: "VAE to put into the output, which then loads as --model" },
  rules: { kind: "string", maxBytes: 16_384, filled: true, description: "Other types for single tensors, as regex=type,regex=type" },
  threads: { kind: "integer", min: 1, max: 512, defaultText: "physical cores", description: "Threads that quantize" },
  signal: { kind: "signal", description: "Stops the work" },
  onProgress: { kind: "callback", description: "Called as tensors are read" },
  onLog: { kind: "callback", description: "Called with each line the engine logs" },
};

const side = { kind: "integer", min: 16, max: 16_384, multipleOf: 16, defaultText: "by family" } as const;
const tile = { kind: "integer", min: 32, max: 4096, default: 128 } as const;
const part = { kind: "number", min: 0, max: 1 } as const;
const layer = { kind: "integer", min: 0, max: 255, description: "Joint block" } as const;

export const generateOptions: OptionTable = {
  prompt: { ...prompt, required: true, description: "What to draw; weights as (word:1.2)" },
  negativePrompt: { ...prompt, default: "", description: "What to avoid; ignored when the CFG scale is 1" },
  t5Prompt: { ...prompt, defaultText: "prompt", description: "Another text for T5" },
  negativeT5Prompt: { ...prompt, defaultText: "negative prompt", description: "Another text for T5 in the negative pass" },
  width: { ...side, description: "Pixels" },
  height: { ...side, description: "Pixels" },
  steps: { kind: "integer", min: 1, max: 1000, defaultText: "by family", description: "Denoising steps" },
  cfgScale: {
    kind: "number",
    min: 0,
    max: 100,
    defaultText: "by family",
    description: "Classifier-free guidance; 1 (0 in diffusers) turns it off, which halves the work",
  },
  sampler: { kind: "enum", values: samplers, refused: refusedSamplers, default: "euler", description: "Sampling method" },
  scheduler: { kind: "enum", values: schedulers, refused: refusedSchedulers, default: "discrete", description: "Noise schedule" },
  seed: { kind: "seed", defaultText: "random", description: "Seed of the first image; image i uses seed + i" },
  batchCount: { kind: "integer", min: 1, max: 1000, default: 1, description: "Images to draw one after the other" },
  eta: { kind: "number", min: 0, max: 1000, defaultText: "by sampler", description: "Noise added by ancestral samplers" },
  flowShift: { kind: "number", min: 0, above: true, max: 1000, default: 3, description: "Timestep shift of the flow schedule" },
  sigmas: {
    kind: "list",
    of: { kind: "number", min: 0, max: 1_000_000, description: "Noise level" },
    min: 2,
    max: 1001,
    description: "The noise levels themselves, falling, instead of a scheduler",
  },
  skipLayerGuidance: {
    kind: "object",
    orBoolean: true,
    members: {
      layers: { kind: "list", of: layer, min: 1, max: 64, default: [7, 8, 9], description: "Joint blocks to skip" },
      scale: { kind: "number", min: 0, max: 100, default: 2.5, description: "Strength, 0 = off" },
      start: { ...part, default: 0.01, description: "Begins at this part of the steps" },
      end: { ...part, default: 0.2, description: "Ends at this part of the steps" },
    },
    description: "Skip-layer guidance, made for SD 3.5 Medium",
  },
  hires: {
    kind: "object",
    orBoolean: true,
    members: {
      scale: { kind: "number", min: 1, max: 8, defaultText: "2", description: "Factor of both sides" },
      width: { ...side, defaultText: "scale", description: "Pixels of the final picture" },
      height: { ...side, defaultText: "scale", description: "Pixels of the final picture" },
      steps: { kind: "integer", min: 1, max: 1000, defaultText: "steps", description: "Steps of the second pass" },
      strength: { kind: "number", min: 0.01, max: 1, default: 0.7, description: "How much the second pass may change" },
      upscaler: { kind: "enum", values: hiresUpscalers, defaultText: "latent", description: "What enlarges between the passes" },
      model: { ...file, description: "ESRGAN network, for the upscaler model" },
      tileSize: { ...tile, description: "Pixels of a tile, for the upscaler model" },
    },
    description: "Hires fix: draw, enlarge, refine by sampling again",
  },
  preview: {
    kind: "object",
    orBoolean: true,
    members: {
      every: { kind: "integer", min: 1, max: 1000, default: 1, description: "A preview after every so many steps" },
      mode: { kind: "enum", values: previewModes, default: "latent", description: "What makes the previews" },
    },
    description: "Previews of the unfinished picture",
  },
  clipSkip: { kind: "integer", min: 1, max: 12, default: 2, description: "Layer of the CLIP encoders to read, from the end" },
  loras: {
    kind: "list",
    of: {
      kind: "object",
      members: {
        path: { ...file, required: true, description: "Safetensors or GGUF file" },
        weight: { kind: "number", min: -100, max: 100, default: 1, description: "0 is no change" },
      },
      fromText: loraOfText,
      description: "LoRA",
    },
    min: 0,
    max: 64,
    description: "LoRAs to apply, on the command line as file or file:weight",
  },
  vaeTiling: {
    kind: "object",
    orBoolean: true,
    members: {
      tileSize: { kind: "integer", min: 32, max: 16_384, multipleOf: 8, defaultText: "256", description: "Side of a tile in pixels" },
      relativeSize: { kind: "number", min: 0, above: true, max: 1, description: "Side of a tile as part of the picture's, instead" },
      overlap: { kind: "number", min: 0, max: 0.5, default: 0.5, description: "Part of a tile that its neighbor covers too" },
    },
    description: "Decode in tiles: less memory for large pictures",
  },
  cache: {
    kind: "object",
    orBoolean: true,
    orMember: "mode",
    members: {
      mode: { kind: "enum", values: cacheModes, default: "easycache", defaultText: "off", description: "Skip steps" },
      threshold: { kind: "number", min: 0, max: 100, defaultText: "by mode", description: "Change that is let pass (not spectrum)" },
      start: { kind: "number", min: 0, max: 0.99, defaultText: "0.15", description: "Where it begins (easycache)" },
      end: { kind: "number", min: 0, above: true, max: 1, defaultText: "by mode", description: "Where it ends (not dbcache)" },
      warmup: { kind: "integer", min: 2, max: 1000, defaultText: "4", description: "Steps computed first (spectrum)" },
      window: { kind: "integer", min: 1, max: 100, defaultText: "2", description: "Every how many steps one is computed (spectrum)" },
      windowGrowth: { kind: "number", min: 0, max: 10, defaultText: "0.5", description: "What the window grows by (spectrum)" },
    },
    description: "Skip steps that can be foretold",
  },
  initImage: { kind: "image", description: "Picture to begin with" },
  strength: { ...part, defaultText: "0.75", description: "How much of the initial picture is drawn anew" },
  fit: { kind: "enum", values: fits, defaultText: "cover", description: "How picture and mask are put into another size" },
  mask: { kind: "image", words: ["alpha"], description: "Paint only where this picture is white, or (alpha) the first is transparent" },
  keepUnmasked: { kind: "boolean", defaultText: "true", description: "Put the pixels outside the mask back unchanged" },
  maskFeather: { kind: "integer", min: 0, max: 256, defaultText: "0", description: "Pixels over which the mask's edge fades" },
  priority: { kind: "integer", min: -10, max: 10, default: 0, codeOnly: true, description: "Place in line; higher goes first" },
  signal: { kind: "signal", description: "Stops the run" },
};

const promptOption: Option = { ...prompt, description: "The text to count" };
const countOptions: OptionTable = { t5Prompt: { ...prompt, description: "The text that T5 gets instead" } };
export const upscalerOptions: OptionTable = {
  model: { ...file, required: true, description: "File of an ESRGAN network" },
  tileSize: { ...tile, description: "Pixels of a tile; a smaller one needs less memory" },
  threads: { kind: "integer", min: 1, max: 512, defaultText: "physical cores", description: "Compute threads on the CPU" },
  backend: { ...backend, default: "auto", description: "Where to compute: auto, cpu, gpu, metal, cuda:0, vulkan:1" },
  signal: { kind: "signal", description: "Stops it" },
  onProgress: { kind: "callback", description: "Called as it gets on" },
  onLog: { kind: "callback", description: "Called with each line the engine logs" },
};

export const upscaleOptions: OptionTable = {
  scale: { kind: "number", min: 0, above: true, max: 16, defaultText: "the network's", description: "Factor of both sides" },
  signal: { kind: "signal", description: "Stops it" },
  onProgress: { kind: "callback", description: "Called after each tile" },
};

export interface CheckedModelOptions {
  files: ModelFiles;
  preset?: string;
  family?: Family;
  loraDir?: string;
  /** Everything but the files, as native code takes it. */
  params: NativeModelParams;
  maxQueue?: number;
  signal?: AbortSignal;
  onProgress?: (event: ProgressEvent) => void;
  onLog?: (event: LogEvent) => void;
}

/** Checks the options of `loadModel`; throws InvalidOptionError. */
export function checkModelOptions(options: unknown): CheckedModelOptions {
  const checked = checkOptions(modelOptions, options);
  const { preset, family, backend, placement, threads, flashAttention, mmap, weightType, rng, promptCache } = checked;
  const { taesdPreviewOnly } = checked;
  const offload = checked.offload as Offload | undefined;
  if (offload) checkOffload(offload);
  const { loraDir } = checked;
  const loraApplyMode = applyMode(checked.loraApplyMode as string, mmap as boolean);
  if (taesdPreviewOnly && !checked.taesd && !preset) {
    throw new InvalidOptionError("taesdPreviewOnly", "expected taesd beside it, the file that makes the previews");
  }
  const files = Object.fromEntries(Object.keys(fileOptions).flatMap((name) => (checked[name] ? [[name, checked[name]]] : [])));
  const params = {
    threads,
    flashAttention,
    mmap,
    weightType: engineType(weightType as string | undefined),
    rng,
    promptCache,
    loraApplyMode,
    offload,
    taesdPreviewOnly,
    backend: backendSpec(backend as string, placement as Partial<Record<Module, string>> | undefined),
  };
  for (const [name, value] of Object.entries(params)) if (value === undefined) delete params[name as keyof typeof params];
  const { maxQueue, signal, onProgress, onLog } = checked;
  return { files, preset, family, loraDir, params, maxQueue, signal, onProgress, onLog } as CheckedModelOptions;
}

/** The engine's spelling of a weight type: "q4_k" → "q4_K". */
function engineType<T extends string | undefined>(type: T): T {
  return type?.replace("_k", "_K") as T;
}

function checkOffload({ params, maxVram, streamLayers }: Offload): void {
  if (streamLayers && (params !== "cpu" || maxVram === undefined)) {
    throw new InvalidOptionError(
      "offload.streamLayers",
      'expected params: "cpu" and maxVram beside it, since layers stream from main memory',
    );
  }
}

/** Checks the options of `convert`; throws InvalidOptionError. The types are in the engine's spelling. */
export function checkConvertOptions(options: unknown): ConvertOptions {
  const { type, rules, ...checked } = checkOptions(convertOptions, options) as unknown as ConvertOptions;
  if (!/\.gguf$/i.test(checked.output)) {
    throw new InvalidOptionError("output", `expected a name ending in .gguf, received ${JSON.stringify(checked.output)}`);
  }
  return { ...checked, type: engineType(type), ...(rules === undefined ? {} : { rules: rules.split(",").map(checkRule).join(",") }) };
}

function checkRule(rule: string): string {
  const [, pattern = "", type = ""] = /^([^=]+)=(.*)$/.exec(rule.trim()) ?? [];
  if (!pattern)
    throw new InvalidOptionError("rules", `expected regex=type, received ${JSON.stringify(rule)} (patterns hold no comma or =)`);
  const known = convertTypes.map((name) => JSON.stringify(name)).join(", ");
  if (!convertTypes.includes(type))
    throw new InvalidOptionError("rules", `expected one of ${known} after "${pattern}=", received "${type}"`);
  try {
    new RegExp(pattern);
  } catch (error) {
    throw new InvalidOptionError("rules", `expected a regular expression before "=${type}": ${(error as Error).message}`);
  }
  return `${pattern}=${engineType(type)}`;
}

/** A merged LoRA would stay in mapped weights: the engine goes on using the mapping that it has changed. */
function applyMode(mode: string, mmap: boolean): string {
  if (!mmap) return mode;
  if (mode !== "immediately") return "at_runtime";
  throw new InvalidOptionError("loraApplyMode", 'expected "auto" or "at_runtime" with mmap, as mapped weights cannot be changed');
}

/** "cuda:0" and { textEncoders: "cpu" } → "cuda0,te=cpu", the engine's syntax and device names; undefined lets the engine choose. */
export function backendSpec(backend: string, placement: Partial<Record<Module, string>> = {}): string | undefined {
  const modules = { diffusion: "diffusion", textEncoders: "te", vae: "vae" };
  const parts = backend === "auto" ? [] : [backend];
  for (const [module, name] of Object.entries(modules)) {
    const place = placement[module as Module];
    if (place && place !== "auto") parts.push(`${name}=${place}`);
  }
  return parts.length ? parts.join(",").replaceAll(":", "").replaceAll("metal", "mtl") : undefined;
}

/** What the loaded model adds to the rules. */
export interface ModelLimits {
  defaults: ModelDefaults;
  maxSide: number;
  /** Number of joint blocks. */
  depth: number;
  /** Where the prompt's LoRA tags are looked up. */
  loraDir?: string;
  /** Whether there is a T5; absent when no model is known yet. */
  t5?: boolean;
  /** What can make previews. Default: all. */
  previewModes?: readonly PreviewMode[];
}

/** The pictures among the options, still to be read, and the size if the caller gave it. */
export interface GivenImages {
  initImage: ImageInput;
  mask?: ImageInput | "alpha";
  width?: number;
  height?: number;
  /** When its size depends on the picture's. */
  hires?: Hires;
}

export interface CheckedGenerateOptions {
  /** Complete, but for the size that an `initImage` may decide. */
  parameters: GenerationParameters;
  images?: GivenImages;
  priority: number;
  preview?: Required<Preview>;
  signal?: AbortSignal;
}

/** Checks the options of `generate` and fills in all defaults; throws InvalidOptionError. */
export function checkGenerateOptions(options: unknown, limits: ModelLimits): CheckedGenerateOptions {
  const table: OptionTable = { ...generateOptions };
  for (const name of ["width", "height"]) Object.assign(table, { [name]: { ...side, max: limits.maxSide } });
  const checked = checkOptions(table, options);
  const {
    signal,
    priority = 0,
    preview,
    hires,
    initImage,
    mask,
    ...given
  } = checked as unknown as GenerateOptions & {
    preview?: Required<Preview>;
    hires?: Hires;
  };
  const images = checkImages({ ...given, initImage, mask });
  const { sigmas, batchCount = 1, skipLayerGuidance } = given;

  if (sigmas) checkSigmas(sigmas, given.steps);
  if (limits.t5 === false) checkNoT5(given);
  if (skipLayerGuidance) checkGuidance(skipLayerGuidance as Required<SkipLayerGuidance>, limits.depth);
  if (preview) checkPreview(preview, limits.previewModes);
  const seed = (given.seed as bigint | undefined) ?? BigInt(randomInt(2 ** 32));
  if (seed + BigInt(batchCount - 1) > maxSeed) {
    throw new InvalidOptionError("seed", `expected seed + batchCount - 1 to be at most 2^63-1, received ${seed}n and ${batchCount}`);
  }
  const ofImages = { ...(images && { strength: 0.75, fit: "cover" }), ...(mask && { keepUnmasked: true, maskFeather: 0 }) };
  const parameters = { ...limits.defaults, ...ofImages, ...given, seed } as GenerationParameters;
  if (sigmas) parameters.steps = sigmas.length - 1;
  else checkSteps(parameters);
  const { prompt: plain, loras: tagged } = takeTags(given.prompt, limits.loraDir);
  const loras = [...((given.loras ?? []) as Required<Lora>[]), ...tagged];
  parameters.prompt = plain;
  delete parameters.loras;
  if (loras.length) parameters.loras = loras;
  if (/<lora:[^<>]*>/i.test(parameters.negativePrompt))
    throw new InvalidOptionError("negativePrompt", "expected no <lora:…> tags; they belong in prompt");
  if (parameters.vaeTiling) parameters.vaeTiling = checkTiling(parameters.vaeTiling);
  if (parameters.cache) checkCache(parameters.cache, parameters);
  if (hires) {
    checkHires(hires);
    if (mask && parameters.keepUnmasked) {
      throw new InvalidOptionError("hires", "expected keepUnmasked: false beside mask, as kept pixels cannot be put back at another size");
    }
    if (images && !(given.width && given.height)) images.hires = hires;
    else parameters.hires = resolveHires(hires, parameters, limits.maxSide);
  }
  return { parameters, images, preview, priority, signal };
}

function checkImages(given: Partial<GenerateOptions>): GivenImages | undefined {
  const { initImage, mask, width, height } = given;
  const needs = (needed: "initImage" | "mask", ...names: (keyof GenerateOptions)[]) => {
    const name = given[needed] === undefined && names.find((name) => given[name] !== undefined);
    if (name) throw new InvalidOptionError(name, `expected ${needed} too, which this option is about`);
  };
  needs("initImage", "strength", "fit", "mask");
  needs("mask", "keepUnmasked", "maskFeather");
  if (given.maskFeather && given.keepUnmasked === false)
    throw new InvalidOptionError("maskFeather", "expected 0 when keepUnmasked is false, as there is nothing to fade into");
  return initImage === undefined ? undefined : { initImage, mask, width, height };
}

function checkSteps({ scheduler, steps }: GenerationParameters): void {
  const { min = 1, max = 1000 } = scheduleSteps[scheduler] ?? {};
  if (steps < min) throw new InvalidOptionError("steps", `expected at least ${min} for the scheduler "${scheduler}", received ${steps}`);
  if (steps > max) throw new InvalidOptionError("steps", `expected at most ${max} for the scheduler "${scheduler}", received ${steps}`);
}

function checkPreview({ mode }: Required<Preview>, available: readonly PreviewMode[] = previewModes): void {
  if (available.includes(mode)) return;
  const list = available.map((name) => JSON.stringify(name)).join(" or ");
  const remedy = mode === "taesd" ? "; load the model with taesd and taesdPreviewOnly" : "";
  throw new InvalidOptionError("preview.mode", `expected ${list} with the parts this model has, received ${JSON.stringify(mode)}${remedy}`);
}

function checkHires(hires: Hires): void {
  const { scale, model, upscaler = model ? "model" : "latent" } = hires;
  if (scale !== undefined && (hires.width ?? hires.height) !== undefined) {
    throw new InvalidOptionError("hires.scale", "expected either scale or width and height, received both");
  }
  if (upscaler === "model" && !model)
    throw new InvalidOptionError("hires.model", 'expected the file of an ESRGAN network for upscaler "model"');
  if (upscaler !== "model" && model)
    throw new InvalidOptionError("hires.upscaler", `expected "model" beside model, received "${upscaler}"`);
}

/** The final size, and the defaults that depend on other options. */
export function resolveHires(hires: Hires, base: { width: number; height: number; steps: number }, maxSide: number): HiresParameters {
  const { scale, model, steps = base.steps, strength = 0.7, tileSize = 128, upscaler = model ? "model" : "latent" } = hires;
  const aligned = (pixels: number) => Math.round(pixels / 16) * 16;
  const factor = scale ?? (hires.width ? hires.width / base.width : hires.height ? hires.height / base.height : 2);
  const size = { width: hires.width ?? aligned(base.width * factor), height: hires.height ?? aligned(base.height * factor) };
  for (const name of ["width", "height"] as const) {
    if (size[name] >= base[name] && size[name] <= maxSide) continue;
    const path = hires[name] === undefined && scale !== undefined ? "hires.scale" : `hires.${name}`;
    throw new InvalidOptionError(path, `expected a ${name} from the first pass's ${base[name]} to ${maxSide}, received ${size[name]}`);
  }
  return { ...size, steps, strength, upscaler, ...(model ? { model } : {}), tileSize };
}

function checkSigmas(sigmas: number[], steps?: number): void {
  if (!sigmas[0]) throw new InvalidOptionError("sigmas[0]", "expected a number above 0, received 0");
  const rise = sigmas.findIndex((sigma, index) => index > 0 && Math.fround(sigma) >= Math.fround(sigmas[index - 1] ?? 0));
  if (rise > 0)
    throw new InvalidOptionError(`sigmas[${rise}]`, `expected less than ${sigmas[rise - 1]}, the one before, received ${sigmas[rise]}`);
  if (steps !== undefined && steps !== sigmas.length - 1) {
    throw new InvalidOptionError("steps", `expected ${sigmas.length - 1}, one less than the number of sigmas, received ${steps}`);
  }
}

function checkNoT5(given: GenerateOptions): void {
  const name = (["t5Prompt", "negativeT5Prompt"] as const).find((name) => given[name] !== undefined);
  if (name) throw new InvalidOptionError(name, "expected a model with a T5 text encoder, this one has none; load it with t5xxl");
}

/** Checks the arguments of `countTokens`; throws InvalidOptionError. */
export function checkCountTokens(text: unknown, options: unknown, limits: Pick<ModelLimits, "t5">): { prompt: string; t5Prompt?: string } {
  const checked = { ...checkOptions(countOptions, options), prompt: checkValue(promptOption, text, "prompt") };
  const given = checked as unknown as { prompt: string; t5Prompt?: string };
  if (limits.t5 === false) checkNoT5(given);
  return given;
}

function checkGuidance({ layers, start, end }: Required<SkipLayerGuidance>, depth: number): void {
  const wrong = layers.findIndex((block) => block >= depth);
  if (wrong >= 0) {
    const detail = `expected an integer from 0 to ${depth - 1}, as the model has ${depth} blocks, received ${layers[wrong]}`;
    throw new InvalidOptionError(`skipLayerGuidance.layers[${wrong}]`, detail);
  }
  if (start > end) throw new InvalidOptionError("skipLayerGuidance.end", `expected at least ${start}, the start, received ${end}`);
}

function checkTiling({ tileSize, relativeSize, overlap }: VaeTiling): VaeTiling {
  if (relativeSize === undefined) return { tileSize: tileSize ?? 256, overlap };
  if (tileSize === undefined) return { relativeSize, overlap };
  throw new InvalidOptionError("vaeTiling.relativeSize", "expected either tileSize or relativeSize, received both");
}

const cacheMembers: Record<string, string[]> = {
  easycache: ["threshold", "start", "end"],
  dbcache: ["threshold"],
  spectrum: ["end", "warmup", "window", "windowGrowth"],
};

function checkCache(cache: StepCache, { sampler, steps }: GenerationParameters): void {
  const { mode = "easycache", start = 0.15, end } = cache;
  const used = cacheMembers[mode] ?? [];
  for (const member of Object.keys(cache)) {
    if (member !== "mode" && !used.includes(member))
      throw new InvalidOptionError(`cache.${member}`, `mode ${mode} does not use it; it takes ${used.join(", ")}`);
  }
  if (mode === "easycache" && (end ?? 0.95) <= start) {
    throw new InvalidOptionError("cache.end", `expected more than ${start}, the start, received ${end ?? 0.95}`);
  }
  if (mode === "spectrum" && sampler.endsWith("cfg_pp")) {
    throw new InvalidOptionError("cache.mode", `spectrum does not work with sampler ${sampler}; expected easycache or dbcache`);
  }
  // The engine takes a last step of 0 for "to the end".
  if (mode === "spectrum" && Math.floor(Math.fround(end ?? 0.9) * steps) < 1) {
    throw new InvalidOptionError("cache.end", `expected at least ${1 / steps}, as ${end ?? 0.9} of ${steps} steps is none`);
  }
}

/** The parameters as native code takes them: the members have the same names. */
export function nativeParams(parameters: GenerationParameters, images?: NativeImages, preview?: Required<Preview>): NativeGenerateParams {
  const { loras, vaeTiling, hires, strength = 1, fit: _, ...rest } = parameters;
  const params: NativeGenerateParams = { ...rest };
  const active = loras?.filter(({ weight }) => Math.fround(weight) !== 0); // the engine would merge a zero
  if (active?.length) params.loras = active;
  if (vaeTiling) {
    const { tileSize, ...tiling } = vaeTiling;
    params.vaeTiling = { enabled: true, ...tiling, ...(tileSize ? { tileSize: tileSize / 8 } : {}) }; // a latent is 8 pixels wide
  }
  if (hires) params.hires = { enabled: true, ...hires };
  if (preview) params.preview = preview;
  // From pure noise, nothing of the picture is left: no need to encode it, and the bytes are those of text to image.
  const unused = strength === 1 && !images?.mask && !params.sigmas;
  return images && !unused ? { ...params, ...images, strength: engineStrength(strength, parameters.steps) } : params;
}

/**
 * The engine draws floor(steps · strength) + 1 steps, so that 0.75 of Turbo's 4 steps are all 4 and nothing of the picture is left. Ours is
 * the number of steps that the strength says; this is the middle of the engine's range for it.
 */
function engineStrength(strength: number, steps: number): number {
  if (strength === 1) return 1;
  const drawn = Math.max(1, Math.min(steps - 1, Math.round(steps * strength)));
  return (drawn - 0.5) / steps;
}
