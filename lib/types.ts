import type { Image } from "./image.js";

/** Model families whose defaults the package knows. */
export type Family = "sd3.5-large" | "sd3.5-large-turbo" | "sd3.5-medium" | "sd3-medium" | "demo";

/** Paths of a model's parts: GGUF or safetensors files in the original layout. */
export interface ModelFiles {
  /** An all-in-one file: diffusion model, and possibly text encoders and VAE (tensor names begin with `model.diffusion_model.`). */
  model?: string;
  /** A file with the diffusion transformer alone (city96 style: `joint_blocks…`). */
  diffusionModel?: string;
  /** CLIP-L text encoder (OpenAI ViT-L/14). At least one text encoder is needed, here or inside `model`. */
  clipL?: string;
  /** CLIP-G text encoder (OpenCLIP ViT-bigG/14). */
  clipG?: string;
  /** T5-XXL text encoder. */
  t5xxl?: string;
  /** The 16-channel SD 3.5 VAE. A VAE or TAESD is needed, here or inside `model`. */
  vae?: string;
  /** TAESD3, a tiny autoencoder that replaces the VAE: much faster, slightly less detail. */
  taesd?: string;
}

export type Module = "diffusion" | "textEncoders" | "vae";

/**
 * How LoRAs get to the weights. `"immediately"` merges them, so that steps cost nothing more, but every change of LoRAs reads the model's
 * files again, and quantized weights are rounded once more. `"at_runtime"` adds them in each step: nothing to read again, slower steps,
 * a little more memory. `"auto"` takes the second for models with quantized weights and with `mmap` (where the first is an error), else the first.
 */
export type LoraApplyMode = "auto" | "immediately" | "at_runtime";

export interface ModelOptions extends ModelFiles {
  /** A model known by name instead of by files: `"demo"` ships with the package. */
  preset?: string;
  /** Family whose defaults apply. Default: read from the tensors ("turbo" from the file name, as its tensors look like Large's). */
  family?: Family;
  /** Where to compute: `"auto"` (default: the first GPU, else CPU), `"cpu"`, `"gpu"`, `"cuda:0"`, `"vulkan:1"`, `"metal"`. */
  backend?: string;
  /** Another backend for single modules, for example `{ textEncoders: "cpu" }`. Default: `backend` for all. */
  placement?: Partial<Record<Module, string>>;
  /** Compute threads on the CPU, 1 to 512. Default: the machine's physical cores. */
  threads?: number;
  /** Flash attention in the diffusion model: less memory, and faster on most devices. Default: true; false for the demo, whose heads are too small for it. */
  flashAttention?: boolean;
  /** Map the files instead of reading them. Default: false. The files must not change while the model is loaded. */
  mmap?: boolean;
  /** Convert weights while loading, for example `"q8_0"` or `"f16"`. Default: as in the file. */
  weightType?: string;
  /** Random generator: `"cuda"` (default, the same noise as most other tools), `"cpu"` (PyTorch's CPU noise) or `"std_default"`. */
  rng?: string;
  /** Prompts whose encoding is kept, so that the same prompt with another seed needs no text encoder. 0 to 1000. Default: 8. */
  promptCache?: number;
  /** Folder of the LoRAs that prompts name as `<lora:name:0.8>`, files `name.safetensors` or `name.gguf`. Default: none, such tags are an error. */
  loraDir?: string;
  /** Default: "auto". */
  loraApplyMode?: LoraApplyMode;
  /** Stops the load; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called as the weights come in; what it throws is ignored. */
  onProgress?: (event: ProgressEvent) => void;
  /** Called with each line the engine logs, while loading and in later runs; what it throws is ignored. */
  onLog?: (event: LogEvent) => void;
}

/** Skip-layer guidance, a help for SD 3.5 Medium's anatomy: adds (cond − cond without the layers)·scale. */
export interface SkipLayerGuidance {
  /** Joint blocks to skip. Default: [7, 8, 9]. */
  layers?: number[];
  /** 0 = off. Default: 2.5. */
  scale?: number;
  /** Part of the steps in which it acts, 0 to 1. Default: 0.01 to 0.2. */
  start?: number;
  end?: number;
}

/** A LoRA, a small file that changes the weights of the model. */
export interface Lora {
  /** A safetensors or GGUF file in the names of sd-scripts (kohya), diffusers/PEFT or the original layout. */
  path: string;
  /** -100 to 100; 0 is no change. Default: 1. */
  weight?: number;
}

/** Decodes (and encodes) the picture in overlapping tiles: much less memory for large pictures, some more time. */
export interface VaeTiling {
  /** Side of a tile in pixels, a multiple of 8 from 32 to 16384. Default: 256. */
  tileSize?: number;
  /** Side of a tile as part of the picture's side, above 0 to 1, instead of `tileSize`; never less than 32 pixels. */
  relativeSize?: number;
  /** Part of a tile that its neighbor covers too, 0 to 0.5; the seams are blended over it. Default: 0.5. */
  overlap?: number;
}

/** Step caches that do something for SD 3: `"easycache"`, `"dbcache"`, `"spectrum"`. See docs/caches.md. */
export type StepCacheMode = "easycache" | "dbcache" | "spectrum";

/** Skips steps whose result can be foretold from those before. The picture changes. */
export interface StepCache {
  /** Default: "easycache". */
  mode?: StepCacheMode;
  /** How much change is let pass, 0 to 100; more skips more. Only easycache (default 0.2) and dbcache (default 0.08). */
  threshold?: number;
  /** Part of the noise schedule where it begins, 0 to below 1. Only easycache. Default: 0.15. */
  start?: number;
  /** Where it ends, above 0 to 1: for easycache a part of the noise schedule (default 0.95), for spectrum of the steps (default 0.9). */
  end?: number;
  /** Steps that are always computed first, 2 to 1000. Only spectrum. Default: 4. */
  warmup?: number;
  /** Every how many steps one is computed, 1 to 100. Only spectrum. Default: 2. */
  window?: number;
  /** What `window` grows by with each computed step, 0 to 10. Only spectrum. Default: 0.5. */
  windowGrowth?: number;
}

export interface GenerateOptions {
  /** What to draw. Weights as `(word:1.2)`. At most 16 KiB of UTF-8. */
  prompt: string;
  /** What to avoid. Ignored when `cfgScale` is 1. Default: "". */
  negativePrompt?: string;
  /** Pixels, a multiple of 16 from 16 to the model's `info.maxSide`. Default: by family (1024; demo 128). */
  width?: number;
  height?: number;
  /** Denoising steps, 1 to 1000. Default: by family (Large 28, Large Turbo 4, Medium 40). */
  steps?: number;
  /** Classifier-free guidance; 1 (what diffusers calls 0) skips the negative pass and halves the work; 0 to 100. Default: by family (4.5; Turbo 1). */
  cfgScale?: number;
  /** Default: "euler". */
  sampler?: string;
  /** Default: "discrete". */
  scheduler?: string;
  /** First image's seed, 0 to 2⁶³−1; image i of a batch uses seed + i. Default: drawn at random and reported. */
  seed?: number | bigint;
  /** Images to draw one after the other, 1 to 1000. Default: 1. */
  batchCount?: number;
  /** Noise added by ancestral samplers, ≥ 0. Default: by sampler. */
  eta?: number;
  /** Timestep shift of the flow schedule, > 0. Default: 3. */
  flowShift?: number;
  /** The noise levels themselves, falling, instead of `scheduler`; `steps` is then their number minus one. */
  sigmas?: number[];
  /** `true` takes the published defaults for Medium. Default: off. */
  skipLayerGuidance?: boolean | SkipLayerGuidance;
  /** Which layer of the CLIP encoders to read, counted from the end: 1 to 12. Default: 2. */
  clipSkip?: number;
  /**
   * LoRAs to apply, at most 64; they add up. Those that the prompt names as `<lora:name:0.8>` come after them. A file that is no LoRA or was
   * made for another model rejects with ModelFileError.
   */
  loras?: Lora[];
  /** Decode in tiles; `true` takes the defaults. Progress of phase "decode" then counts tiles. Default: off. */
  vaeTiling?: boolean | VaeTiling;
  /** Skip steps; `true` is easycache. Default: off. */
  cache?: boolean | StepCacheMode | StepCache;
  /** Stops the run; it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Everything that decided the pictures: the options with all defaults filled in. */
export interface GenerationParameters {
  prompt: string;
  negativePrompt: string;
  width: number;
  height: number;
  steps: number;
  cfgScale: number;
  sampler: string;
  scheduler: string;
  seed: bigint;
  batchCount: number;
  clipSkip: number;
  flowShift: number;
  eta?: number;
  sigmas?: number[];
  skipLayerGuidance?: Required<SkipLayerGuidance>;
  /** Those of the options and of the prompt's tags, which `prompt` here no longer has. */
  loras?: Required<Lora>[];
  vaeTiling?: VaeTiling;
  cache?: StepCache;
}

export type Phase = "load" | "encode" | "sample" | "decode";

/** Place in line, 1 = next; sent when the run has to wait and whenever its place changes. */
export interface QueuedEvent {
  type: "queued";
  position: number;
}
export interface PhaseEvent {
  type: "phase";
  phase: Phase;
  /** Which picture of the batch, from 0. */
  image: number;
}
export interface ProgressEvent {
  type: "progress";
  phase: Phase;
  /** Steps done, 1 to `steps`; while loading: tensors. */
  step: number;
  steps: number;
  image: number;
  images: number;
  /** Mean of this phase so far. */
  secondsPerStep: number;
  /** Seconds to the end of the phase, over all pictures of the batch that are still to come. */
  eta: number;
}
export interface ImageEvent {
  type: "image";
  index: number;
  seed: bigint;
  image: Image;
}
export interface LogEvent {
  type: "log";
  level: "debug" | "info" | "warn" | "error";
  text: string;
}
export type GenerationEvent = QueuedEvent | PhaseEvent | ProgressEvent | ImageEvent | LogEvent;

/** Seconds. */
export interface Timings {
  queued: number;
  encode: number;
  sample: number;
  decode: number;
  total: number;
}

export interface GenerationResult {
  images: Image[];
  /** The seed of each image. */
  seeds: bigint[];
  parameters: GenerationParameters;
  timings: Timings;
}

export interface ModelDefaults {
  width: number;
  height: number;
  steps: number;
  cfgScale: number;
  sampler: string;
  scheduler: string;
  flowShift: number;
}

export interface ModelPart {
  bytes: number;
  parameters: number;
}

export interface ModelInfo {
  family: Family;
  /** Parameters of all parts together. */
  parameters: number;
  /** `diffusion`, `clipL`, `clipG`, `t5xxl`, `vae`, `taesd`: those that are loaded. */
  parts: Record<string, ModelPart>;
  defaults: ModelDefaults;
  /** Largest width or height in pixels, from the position table. */
  maxSide: number;
  /** Device of each module. */
  devices: Record<Module, string>;
  /** License of the weights as implied by the family. */
  license: string;
  /** Name for metadata: the main file's name without its ending. */
  name: string;
}

export interface Device {
  /** What `backend` takes: "cpu", "cuda:0", "vulkan:1", "metal". */
  id: string;
  name: string;
  type: "cpu" | "gpu" | "igpu" | "accel";
  /** Bytes. */
  memoryFree: number;
  memoryTotal: number;
}
