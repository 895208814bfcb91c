import type { Sharp } from "sharp";
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

/** Rows from the top, `channels` bytes a pixel: gray, gray with alpha, RGB or RGBA. */
export interface RawImage {
  data: Uint8Array;
  width: number;
  height: number;
  channels: 1 | 2 | 3 | 4;
}

/** A picture to read: a file's path, the content of an image file, an `Image`, raw pixels, or a sharp pipeline. */
export type ImageInput = string | Uint8Array | Image | RawImage | Sharp;

export type Module = "diffusion" | "textEncoders" | "vae";

export interface ModelOptions extends ModelFiles {
  /** A model known by name instead of by files: `"demo"` ships with the package. */
  preset?: string;
  /** Family whose defaults apply. Default: read from the tensors ("turbo" from the file name, as its tensors look like Large's). */
  family?: Family;
  /** Where to compute: `"auto"` (default: the first GPU, else CPU), `"cpu"`, `"gpu"`, `"cuda:0"`, `"vulkan:1"`, `"metal"`. */
  backend?: string;
  /** Another backend for single modules, for example `{ textEncoders: "cpu" }`. Default: `backend` for all. */
  placement?: Partial<Record<Module, string>>;
  /**
   * TAESD is for previews alone (`preview: { mode: "taesd" }`) and the VAE makes the pictures. Needs `taesd` and a VAE. Default: false, and
   * TAESD replaces the VAE.
   */
  taesdPreviewOnly?: boolean;
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

/** How a preview is made of an unfinished latent picture. */
export type PreviewMode = "latent" | "taesd" | "vae";

export interface Preview {
  /** A preview after every so many steps, 1 to 1000. Default: 1. */
  every?: number;
  /**
   * - `"latent"`: a fixed projection to colors, 1/8 of the size; needs nothing and costs next to nothing. Made for SD 3's latents; with the demo,
   *   only shapes are right.
   * - `"taesd"`: decoded by TAESD, in full size: each takes as long as TAESD takes to decode the finished picture. The model needs one (`taesd`, with `taesdPreviewOnly` when a VAE makes the pictures).
   * - `"vae"`: decoded by the VAE, in full size and slow: each takes as long as decoding the finished picture.
   *
   * Default: `"latent"`.
   */
  mode?: PreviewMode;
}

/** Ways to enlarge between the two passes of a hires fix: in the latent space, or as a picture that is encoded again (the last three). */
export type HiresUpscaler =
  | "latent"
  | "latent-nearest"
  | "latent-nearest-exact"
  | "latent-antialiased"
  | "latent-bicubic"
  | "latent-bicubic-antialiased"
  | "lanczos"
  | "nearest"
  | "model";

/** Hires fix: draw at the model's own size, enlarge, and refine by sampling again. */
export interface Hires {
  /** Factor of both sides, 1 to 8; the sides are rounded to multiples of 16. Default: 2. Not together with `width` or `height`. */
  scale?: number;
  /** Pixels of the final picture: a multiple of 16, at least the first pass's, at most the model's `info.maxSide`. One side alone keeps the proportions. */
  width?: number;
  height?: number;
  /** Steps of the second pass, 1 to 1000; it may take one more. Default: `steps`. */
  steps?: number;
  /** How much the second pass may change, 0.01 to 1. Latent upscalers need about 0.5 or more, the others can do with less. Default: 0.7. */
  strength?: number;
  /** Default: `"latent"` (bilinear), or `"model"` when a `model` is given. */
  upscaler?: HiresUpscaler;
  /** File of an ESRGAN network, for `upscaler: "model"`; its result is resized to the final size. */
  model?: string;
  /** Pixels of a tile when a network enlarges, 32 to 4096. Default: 128. */
  tileSize?: number;
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
  /** Hires fix; `true` doubles the size. Width and height are then those of the first pass. Default: off. */
  hires?: boolean | Hires;
  /** Previews as events of this run; `true` is one a step. They do not change the picture. Default: off. */
  preview?: boolean | Preview;
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
  hires?: HiresParameters;
}

/** A hires fix with its defaults filled in; `width` and `height` are those of the final picture. */
export interface HiresParameters {
  width: number;
  height: number;
  steps: number;
  strength: number;
  upscaler: HiresUpscaler;
  model?: string;
  tileSize: number;
}

/** `upscale` is a hires fix between its two `sample` phases, or the work of an `Upscaler`. */
export type Phase = "load" | "encode" | "sample" | "upscale" | "decode";

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
  /** With `hires`: 1 up to the first sampling, 2 from the enlargement on. */
  pass?: number;
}
export interface ProgressEvent {
  type: "progress";
  phase: Phase;
  /** Steps done, 1 to `steps`; while loading: tensors; while an `Upscaler` works: tiles. */
  step: number;
  steps: number;
  image: number;
  images: number;
  /** With `hires`: which of the two samplings. */
  pass?: number;
  /** Mean of this phase so far. */
  secondsPerStep: number;
  /** Seconds to the end of the phase, over all pictures of the batch that are still to come. */
  eta: number;
}
/** What an unfinished picture looks like after a step. A reader who is late gets the latest eight that wait for him. */
export interface PreviewEvent {
  type: "preview";
  /** Which picture of the batch, from 0. */
  image: number;
  /** Steps done. */
  step: number;
  /** With `hires`: which of the two samplings. */
  pass?: number;
  /** 1/8 of the size with mode `"latent"`, else the size of this pass. */
  preview: Image;
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
export type GenerationEvent = QueuedEvent | PhaseEvent | ProgressEvent | PreviewEvent | ImageEvent | LogEvent;

/** Seconds. */
export interface Timings {
  queued: number;
  encode: number;
  /** Both passes of a hires fix. */
  sample: number;
  /** Enlarging of a hires fix. */
  upscale: number;
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
