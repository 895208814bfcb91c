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

/** Where the weights wait, and how much of a GPU's memory a computation may take. What each costs is measured in docs/memory.md. */
export interface Offload {
  /**
   * `"cpu"`: weights wait in main memory and go to the GPU when they are needed; no effect on the CPU backend. `"disk"`: each part is read
   * from its files whenever it is needed and freed afterwards: the least memory, and reading time in each picture. The files must stay as
   * they are while the model is loaded; `mmap` beside it gains nothing. Default: weights stay where they are computed with.
   */
  params?: "cpu" | "disk";
  /**
   * GiB (2³⁰ bytes) that the weights and buffers of one computation may take on a GPU, above 0 to 1024; a larger one is cut into parts that
   * come one after the other. No effect on the CPU backend. Default: no limit.
   */
  maxVram?: number;
  /** Fetch the next part's weights while one computes. Needs `params: "cpu"` and `maxVram`. Default: false. */
  streamLayers?: boolean;
}

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
  /** Where the weights wait, and how much of a GPU's memory a computation may take. Default: all weights stay on their device. */
  offload?: Offload;
  /** Convert weights while loading, for example `"q8_0"`: each load takes longer (`convert` does it once). Default: as in the file. */
  weightType?: string;
  /** Random generator: `"cuda"` (default, the same noise as most other tools), `"cpu"` (PyTorch's CPU noise) or `"std_default"`. */
  rng?: string;
  /** Prompts whose encoding is kept, so that the same prompt with another seed needs no text encoder. 0 to 1000. Default: 8. */
  promptCache?: number;
  /** Stops the load; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called as the weights come in; what it throws is ignored. */
  onProgress?: (event: ProgressEvent) => void;
  /** Called with each line the engine logs, while loading and in later runs; what it throws is ignored. */
  onLog?: (event: LogEvent) => void;
}

export interface ConvertOptions {
  /** A checkpoint or one part of it: GGUF, safetensors or .ckpt. */
  input: string;
  /** The file to write; ends in .gguf. Its folder must exist. An older file is replaced when the new one is complete. */
  output: string;
  /**
   * Type of the weights: `f32`, `f16`, `bf16`, `q8_0`, `q6_k`, `q5_k`, `q5_1`, `q5_0`, `q4_k`, `iq4_xs`, `iq4_nl`, `q4_1`, `q4_0`, `q3_k`
   * or `q2_k`, from large to small. Where rows are no multiple of 256 (most of SD 3.5 Large), `q6_k` becomes `q8_0`, `q5_k` `q5_1`, `q4_k`
   * `q5_0`, and `iq4_xs`, `q3_k`, `q2_k` `iq4_nl`; where they are no multiple of 32, `f16`.
   */
  type: string;
  /** A VAE to put into the output, in the place of the input's own; the output then loads as `model`. */
  vae?: string;
  /**
   * Other types for single tensors: `regex=type,…`, for example `"attn2=q8_0,joint_blocks[.]0[.]=f16"`. The first pattern that is found in
   * a tensor's name decides, before the built-in rules: vectors (norms) keep the input's type; in quantized files the embedders, the final
   * layer, token embeddings, convolutions and the VAE stay F16 or BF16 (F32 becomes F16). Biases always keep the input's type, and vectors
   * are never quantized. At most 16 KiB.
   */
  rules?: string;
  /** Threads that quantize, 1 to 512. Default: the machine's physical cores. */
  threads?: number;
  /** Stops the work, and no file is left; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called as tensors are read (`phase` is "convert"); what it throws is ignored. */
  onProgress?: (event: ProgressEvent) => void;
  /** Called with each line the engine logs; what it throws is ignored. */
  onLog?: (event: LogEvent) => void;
}

export interface ConvertResult {
  /** The file that was written. */
  output: string;
  bytes: number;
  /** How many tensors of each type it has, as `{ f16: 12, q8_0: 240 }`. */
  tensors: Record<string, number>;
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
}

export type Phase = "load" | "encode" | "sample" | "decode" | "convert";

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
  /** Steps done, 1 to `steps`; while loading or converting: tensors. */
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
  /** Paths of the files it was loaded from. */
  files: ModelFiles;
  /** Ten hex digits for each file, which pictures carry too: made of its size and samples of its content, so no proof against tampering. */
  fingerprints: Record<string, string>;
  /** First eight digits of the engine's commit. */
  engine: string;
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
