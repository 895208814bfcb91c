import { randomInt } from "node:crypto";
import type { NativeGenerateParams, NativeModelParams } from "./binding.js";
import { checkOptions, maxSeed, type OptionTable } from "./check.js";
import { InvalidOptionError } from "./errors.js";
import { families } from "./families.js";
import type {
  Family,
  GenerateOptions,
  GenerationParameters,
  Hires,
  HiresParameters,
  LogEvent,
  ModelDefaults,
  ModelFiles,
  Module,
  Preview,
  PreviewMode,
  ProgressEvent,
  SkipLayerGuidance,
} from "./types.js";

export const samplers =
  "euler euler_a heun dpm2 dpm++2s_a dpm++2m dpm++2mv2 ipndm ipndm_v lcm ddim_trailing tcd res_multistep res_2s er_sde euler_cfg_pp euler_a_cfg_pp euler_ge".split(
    " ",
  );
export const schedulers = "discrete karras exponential ays gits sgm_uniform simple smoothstep kl_optimal lcm bong_tangent ltx2".split(" ");
export const weightTypes = "f32 f16 bf16 q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k q4_k q5_k q6_k".split(" ");
export const hiresUpscalers =
  "latent latent-nearest latent-nearest-exact latent-antialiased latent-bicubic latent-bicubic-antialiased lanczos nearest model".split(
    " ",
  );
export const previewModes: readonly PreviewMode[] = ["latent", "taesd", "vae"];
export const presets = ["demo"];

const file = { kind: "string", maxBytes: 32_768, filled: true } as const;
const backend = {
  kind: "pattern",
  pattern: /^(auto|cpu|gpu|metal|(cuda|vulkan)(:\d{1,2})?)$/,
  form: '"auto", "cpu", "gpu", "metal", "cuda", "vulkan", or one device as "cuda:0" or "vulkan:1"',
} as const;
// Tens of kilobytes overflow the stack in the engine's regular expressions.
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
  weightType: { kind: "enum", values: weightTypes, defaultText: "as in the file", description: "Convert weights while loading" },
  rng: { kind: "enum", values: ["cuda", "cpu", "std_default"], default: "cuda", description: "Random generator of the noise" },
  promptCache: { kind: "integer", min: 0, max: 1000, default: 8, description: "Prompts whose encoding is kept" },
  signal: { kind: "signal", description: "Stops the load" },
  onProgress: { kind: "callback", description: "Called as the weights come in" },
  onLog: { kind: "callback", description: "Called with each line the engine logs" },
};

const side = { kind: "integer", min: 16, max: 16_384, multipleOf: 16, defaultText: "by family" } as const;
const tile = { kind: "integer", min: 32, max: 4096, default: 128 } as const;
const part = { kind: "number", min: 0, max: 1 } as const;
const layer = { kind: "integer", min: 0, max: 255, description: "Joint block" } as const;

export const generateOptions: OptionTable = {
  prompt: { ...prompt, required: true, description: "What to draw; weights as (word:1.2)" },
  negativePrompt: { ...prompt, default: "", description: "What to avoid; ignored when the CFG scale is 1" },
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
  sampler: { kind: "enum", values: samplers, default: "euler", description: "Sampling method" },
  scheduler: { kind: "enum", values: schedulers, default: "discrete", description: "Noise schedule" },
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
  signal: { kind: "signal", description: "Stops the run" },
};

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
  /** Everything but the files, as native code takes it. */
  params: NativeModelParams;
  signal?: AbortSignal;
  onProgress?: (event: ProgressEvent) => void;
  onLog?: (event: LogEvent) => void;
}

/** Checks the options of `loadModel`; throws InvalidOptionError. */
export function checkModelOptions(options: unknown): CheckedModelOptions {
  const checked = checkOptions(modelOptions, options);
  const { preset, family, backend, placement, threads, flashAttention, mmap, weightType, rng, promptCache, taesdPreviewOnly } = checked;
  if (taesdPreviewOnly && !checked.taesd && !preset) {
    throw new InvalidOptionError("taesdPreviewOnly", "expected taesd beside it, the file that makes the previews");
  }
  const files = Object.fromEntries(Object.keys(fileOptions).flatMap((name) => (checked[name] ? [[name, checked[name]]] : [])));
  const params = {
    threads,
    flashAttention,
    mmap,
    weightType: (weightType as string | undefined)?.replace("_k", "_K"), // the engine's spelling
    rng,
    promptCache,
    taesdPreviewOnly,
    backend: backendSpec(backend as string, placement as Partial<Record<Module, string>> | undefined),
  };
  for (const [name, value] of Object.entries(params)) if (value === undefined) delete params[name as keyof typeof params];
  const { signal, onProgress, onLog } = checked;
  return { files, preset, family, params, signal, onProgress, onLog } as CheckedModelOptions;
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
  /** What can make previews. Default: all. */
  previewModes?: readonly PreviewMode[];
}

export interface CheckedGenerateOptions {
  parameters: GenerationParameters;
  preview?: Required<Preview>;
  signal?: AbortSignal;
}

/** Checks the options of `generate` and fills in all defaults; throws InvalidOptionError. */
export function checkGenerateOptions(options: unknown, limits: ModelLimits): CheckedGenerateOptions {
  const table: OptionTable = { ...generateOptions };
  for (const name of ["width", "height"]) Object.assign(table, { [name]: { ...side, max: limits.maxSide } });
  const checked = checkOptions(table, options);
  const { signal, preview, hires, ...given } = checked as unknown as GenerateOptions & { preview?: Required<Preview>; hires?: Hires };
  const { sigmas, batchCount = 1, skipLayerGuidance } = given;

  if (sigmas) checkSigmas(sigmas, given.steps);
  if (skipLayerGuidance) checkGuidance(skipLayerGuidance as Required<SkipLayerGuidance>, limits.depth);
  if (preview) checkPreview(preview, limits.previewModes);
  const seed = (given.seed as bigint | undefined) ?? BigInt(randomInt(2 ** 32));
  if (seed + BigInt(batchCount - 1) > maxSeed) {
    throw new InvalidOptionError("seed", `expected seed + batchCount - 1 to be at most 2^63-1, received ${seed}n and ${batchCount}`);
  }
  const parameters = { ...limits.defaults, ...given, seed } as GenerationParameters;
  if (sigmas) parameters.steps = sigmas.length - 1;
  if (hires) parameters.hires = resolveHires(hires, parameters, limits.maxSide);
  return { parameters, preview, signal };
}

function checkPreview({ mode }: Required<Preview>, available: readonly PreviewMode[] = previewModes): void {
  if (available.includes(mode)) return;
  const list = available.map((name) => JSON.stringify(name)).join(" or ");
  const remedy = mode === "taesd" ? "; load the model with taesd and taesdPreviewOnly" : "";
  throw new InvalidOptionError("preview.mode", `expected ${list} with the parts this model has, received ${JSON.stringify(mode)}${remedy}`);
}

/** The final size, and the defaults that depend on other options. */
function resolveHires(hires: Hires, base: { width: number; height: number; steps: number }, maxSide: number): HiresParameters {
  const { scale, model, steps = base.steps, strength = 0.7, tileSize = 128, upscaler = model ? "model" : "latent" } = hires;
  if (scale !== undefined && (hires.width ?? hires.height) !== undefined) {
    throw new InvalidOptionError("hires.scale", "expected either scale or width and height, received both");
  }
  if (upscaler === "model" && !model)
    throw new InvalidOptionError("hires.model", 'expected the file of an ESRGAN network for upscaler "model"');
  if (upscaler !== "model" && model)
    throw new InvalidOptionError("hires.upscaler", `expected "model" beside model, received "${upscaler}"`);
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
  const rise = sigmas.findIndex((sigma, index) => index > 0 && sigma > (sigmas[index - 1] ?? 0));
  if (rise > 0)
    throw new InvalidOptionError(`sigmas[${rise}]`, `expected at most ${sigmas[rise - 1]}, the one before, received ${sigmas[rise]}`);
  if (!sigmas[0]) throw new InvalidOptionError("sigmas[0]", "expected a number above 0, received 0");
  if (steps !== undefined && steps !== sigmas.length - 1) {
    throw new InvalidOptionError("steps", `expected ${sigmas.length - 1}, one less than the number of sigmas, received ${steps}`);
  }
}

function checkGuidance({ layers, start, end }: Required<SkipLayerGuidance>, depth: number): void {
  const wrong = layers.findIndex((block) => block >= depth);
  if (wrong >= 0) {
    const detail = `expected an integer from 0 to ${depth - 1}, as the model has ${depth} blocks, received ${layers[wrong]}`;
    throw new InvalidOptionError(`skipLayerGuidance.layers[${wrong}]`, detail);
  }
  if (start > end) throw new InvalidOptionError("skipLayerGuidance.end", `expected at least ${start}, the start, received ${end}`);
}

/** The parameters as native code takes them: the members have the same names. */
export function nativeParams({ hires, ...parameters }: GenerationParameters, preview?: Required<Preview>): NativeGenerateParams {
  return { ...parameters, ...(hires ? { hires: { enabled: true, ...hires } } : {}), ...(preview ? { preview } : {}) };
}
