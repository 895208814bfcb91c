import type { Sharp } from "sharp";
import type { Image } from "../picture/image.js";

/** Model families whose defaults the package knows. */
export type Family = "sd3.5-large" | "sd3.5-large-turbo" | "sd3.5-medium" | "sd3-medium" | "demo";

/** The parts that a picture is made with. */
export type PartName = "diffusion" | "clipL" | "clipG" | "t5xxl" | "vae" | "taesd";

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

/**
 * Pixels in memory: rows from the top, `channels` bytes a pixel (1 gray, 3 RGB, 4 RGB and alpha; upscaling also takes 2, gray and alpha),
 * `width * height * channels` bytes.
 */
export interface RawImage {
  data: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
  channels: 1 | 2 | 3 | 4;
}

/**
 * A picture as an option: a file's path, the bytes of a file (anything that sharp reads), an `Image`, raw pixels or a sharp pipeline.
 * EXIF orientation is applied, gray becomes RGB and 16 bits become 8. It is read when the run is started; do not change its bytes before
 * the first event.
 */
export type ImageInput = string | Uint8Array | Image | RawImage | Sharp;

export type Module = "diffusion" | "textEncoders" | "vae";

/**
 * How LoRAs get to the weights. `"immediately"` merges them, so that steps cost nothing more, but every change of LoRAs reads the model's
 * files again, and quantized weights are rounded once more. `"at_runtime"` adds them in each step: nothing to read again, slower steps,
 * a little more memory. `"auto"` takes the second for models with quantized weights and with `mmap` (where the first is an error), else the first.
 */
export type LoraApplyMode = "auto" | "immediately" | "at_runtime";
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
  /**
   * Files of the model, or folders with them (and with folders directly in them), in any order: which is which shows in their tensors.
   * The options above win over what is found here. What is no part of a model is an error among files, and passed over in folders. A VAE
   * wins over a TAESD, except with `taesdPreviewOnly`.
   */
  files?: string | string[];
  /**
   * A model known by name instead of by files: `"demo"`, which ships with the package, or one that was pulled, by id or alias
   * (`"sd3.5-medium:q4_k_m"`, `"sd3.5-medium"`; `listModels` has them). Files given beside it take the place of its own. Nothing is
   * downloaded: MissingComponentError says what to pull.
   */
  preset?: string;
  /** Family whose defaults apply. Default: the preset's, else read from the tensors ("turbo" from the name or title: its tensors are Large's). */
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
  /** Compute threads on the CPU, 1 to 512. Default: the environment variable `SDCPP_THREADS`, else the machine's physical cores. */
  threads?: number;
  /** Flash attention in the diffusion model: less memory, and faster on most devices. Default: true; false for the demo, whose heads are too small for it. */
  flashAttention?: boolean;
  /**
   * Map the files instead of reading them. Default: false. The files must not change while the model is loaded. On the CPU, Q4_0 and Q4_K weights take
   * about twice as long then: mapped ones stay in the file's order.
   */
  mmap?: boolean;
  /** Where the weights wait, and how much of a GPU's memory a computation may take. Default: all weights stay on their device. */
  offload?: Offload;
  /** Convert weights while loading, for example `"q8_0"`: each load takes longer (`convert` does it once). Default: as in the file. */
  weightType?: string;
  /** Random generator: `"cuda"` (default, the same noise as most other tools), `"cpu"` (PyTorch's CPU noise) or `"std_default"`. */
  rng?: string;
  /** Prompts whose encoding is kept, so that the same prompt with another seed needs no text encoder. 0 to 1000. Default: 8. */
  promptCache?: number;
  /** Folder of the LoRAs that prompts name as `<lora:name:0.8>`, files `name.safetensors` or `name.gguf`. Default: none, such tags are an error. */
  loraDir?: string;
  /** Default: "auto". */
  loraApplyMode?: LoraApplyMode;
  /** Load even if `estimateMemory` finds that the model does not fit. Default: false, and it is refused with InsufficientMemoryError. */
  force?: boolean;
  /**
   * Run the engine in a process of its own, so that a crash of it cannot end yours: the run in work rejects with EngineCrashError, the
   * model is loaded again, and waiting runs go on. Costs some memory and milliseconds: see docs/isolation.md. Default: false.
   */
  isolate?: boolean;
  /**
   * Back-pressure: how many runs of this model may wait behind the first that is unfinished, 0 to 1,000,000. `generate()` beyond that rejects
   * with QueueFullError at once; a canceled run counts until it has rejected. Default: no limit.
   */
  maxQueue?: number;
  /** Stops the load; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called as the weights come in; what it throws is ignored. */
  onProgress?: (event: ProgressEvent) => void;
  /** Called with each line the engine logs, while loading and in later runs; what it throws is ignored. */
  onLog?: (event: LogEvent) => void;
}

/** How the tensors of a file are named, and how much of a model it holds. */
export type Layout =
  /** The diffusion model alone, for `diffusionModel`. */
  | "diffusion-only"
  /** Several parts in one file, for `model`. */
  | "all-in-one"
  /** One other part in the names of its makers. */
  | "part"
  /** In the names of Hugging Face's diffusers: such a VAE is read, such a diffusion model is not. */
  | "diffusers"
  /** A T5 encoder in the names of llama.cpp, which is read. */
  | "llama.cpp"
  /** Another kind of model. */
  | "foreign"
  /** A pickle of Python (.ckpt, .pth), whose content shows only when it is loaded. */
  | "unknown";

export interface InspectedPart {
  tensors: number;
  parameters: number;
  bytes: number;
  /** How many tensors of each type, as `{ q4_k: 312, f16: 353 }`. */
  types: Record<string, number>;
  /** What keeps the engine from loading it, such as a tensor that is missing. */
  fault?: string;
}

/** What one checkpoint is. */
export interface FileInspection {
  /** Path or URL, as it was given. */
  file: string;
  /** More than one for a split or sharded checkpoint. `sha256` was asked for. */
  files: { path: string; bytes: number; sha256?: string }[];
  format: "gguf" | "safetensors" | "checkpoint";
  /** In words: "Stable Diffusion 3.5 Medium", "CLIP-G text encoder", "LoRA", "FLUX". */
  kind: string;
  /** Of a diffusion model that this package can load. */
  family?: Family;
  layout: Layout;
  /** `diffusion`, `clipL`, `clipG`, `t5xxl`, `vae`, `taesd`; for other files `lora`, `controlNet`, `upscaler` or `other`. */
  parts: Record<string, InspectedPart>;
  parameters: number;
  bytes: number;
  /** Largest width or height of a picture in pixels, from the position table. */
  maxSide?: number;
  /** Written in the file, or implied by what it is; absent for other kinds of models without a license in the file. */
  license?: { name: string; source: "metadata" | "implied" };
  /** The option of `loadModel` that takes it. */
  option?: keyof ModelFiles;
  metadata: Record<string, unknown>;
}

/** A part that is missing for a picture, and a file that would do. */
export interface MissingPart {
  part: PartName;
  /** Without it the model does not load; else it loads, and draws worse than its makers meant. */
  required: boolean;
  /** The file to get: its path in a model repository. None for the diffusion model. */
  file?: string;
  repository?: string;
  /** About, for some files. */
  bytes?: number;
}

/** What files are, alone and together. */
export interface ModelInspection {
  files: FileInspection[];
  /** What `loadModel` would be given. */
  options: ModelFiles;
  /** Files of a folder that are no part of the model, with the reason. */
  ignored: { file: string; reason: string }[];
  missing: MissingPart[];
  /** The files make a complete model. It may still be too large for this machine. */
  loadable: boolean;
  /** Why not. */
  problem?: string;
  family?: Family;
  /** Of the parts that `options` would load. */
  parameters: number;
  bytes: number;
  maxSide?: number;
  license?: string;
}

export interface InspectOptions {
  /** Also reads the whole files for their SHA-256; not for URLs. Default: false. */
  sha256?: boolean;
  /** For URLs that need one: sent as `authorization: Bearer …` to the URL's own host alone. */
  token?: string;
  /** Stops it; the call rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called while files are read for their SHA-256; what it throws is ignored. */
  onProgress?: (event: InspectProgress) => void;
}

export interface InspectProgress {
  file: string;
  /** Read so far, of `total`. */
  bytes: number;
  total: number;
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
  /** Threads that quantize, 1 to 512. Default: the environment variable `SDCPP_THREADS`, else the machine's physical cores. */
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
  /**
   * Part of the steps in which it acts, 0 to 1: counted from 0, in the steps above `start · steps` and below `end · steps`, so never in the first,
   * as in diffusers. Default: 0.01 to 0.2, which is the second to the sixth of 28 steps, and no step at all with fewer than 6. Each step in
   * it takes one pass more.
   */
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

/** How a picture of other proportions is put into the target: cut, with bars, or stretched. */
export type Fit = "cover" | "contain" | "fill";

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
  /**
   * What to draw. Weights as `(word:1.2)`, see docs/prompts.md. At most 16 KiB of UTF-8, 1200 tokens of the CLIPs and 1231 of T5, about 900
   * words; `countTokens` counts them. T5 was trained with 256: a longer text is read, and the log says so.
   */
  prompt: string;
  /** What to avoid. Ignored when `cfgScale` is 1. Default: "". */
  negativePrompt?: string;
  /**
   * Another text for T5, which understands sentences, while the CLIP encoders get `prompt`. Refused when the model has no T5. Same form
   * and limits as `prompt`. Default: the same text.
   */
  t5Prompt?: string;
  /** Another text for T5 in the negative pass. Default: `negativePrompt`. */
  negativeT5Prompt?: string;
  /** Pixels, a multiple of 16 from 16 to the model's `info.maxSide`. Default: by family (1024; demo 128). */
  width?: number;
  height?: number;
  /** Denoising steps, 1 to 1000. Default: by family (Large 28, Large Turbo 4, Medium 40). */
  steps?: number;
  /**
   * Classifier-free guidance; 1 (what diffusers calls 0) skips the negative pass and halves the work; 0 to 100. Below 1 the negative prompt
   * pulls: at 0 it alone is drawn, and the prompt has no influence. Default: by family (4.5; Turbo 1).
   */
  cfgScale?: number;
  /**
   * `euler`, `euler_a`, `heun`, `dpm2`, `dpm++2s_a`, `dpm++2m`, `ipndm`, `ipndm_v`, `lcm`, `ddim_trailing`, `res_multistep`, `res_2s`, `er_sde`,
   * `euler_cfg_pp` or `euler_ge`; docs/samplers.md tells what each does. Those of the engine that do not suit flow models are refused.
   * Default: "euler".
   */
  sampler?: string;
  /**
   * `normal`, `discrete`, `karras`, `exponential`, `sgm_uniform`, `simple`, `smoothstep`, `kl_optimal`, `lcm`, `bong_tangent` or `ltx2`. `karras`,
   * `exponential` and `bong_tangent` need at least 2 steps, `lcm` takes at most 50, `smoothstep` at most 77. Default: "normal", the reference's schedule.
   */
  scheduler?: string;
  /** First image's seed, 0 to 2⁶³−1; image i of a batch uses seed + i. Default: drawn at random and reported. */
  seed?: number | bigint;
  /** Images to draw one after the other, 1 to 1000. Default: 1. */
  batchCount?: number;
  /**
   * New noise in each step, 0 to 1 (more acts as 1), of `euler_a`, `dpm++2s_a`, `er_sde` (default 1), `ddim_trailing`, `res_multistep`, `res_2s`
   * and `euler_ge` (default 0); the other samplers ignore it.
   */
  eta?: number;
  /** Timestep shift of the flow schedule, > 0. Default: 3. */
  flowShift?: number;
  /** The noise levels themselves, falling, instead of `scheduler`; `steps` is then their number minus one. Each lower than the one before; 1 is pure noise. */
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
  /**
   * Begin with this picture instead of noise alone (image to image). Transparency is laid over white. Without `width` and `height` the
   * result has the picture's size, made smaller to the family's number of pixels if it has more, and rounded to multiples of 16; with one
   * of the two, its proportions. InvalidOptionError when it cannot be read.
   */
  initImage?: ImageInput;
  /**
   * How much of the `initImage` is drawn anew, 0 to 1: the last part of the steps is drawn, rounded up (as in diffusers), at least one step.
   * At 1, or where rounding up gives all steps, the picture decides nothing but the size (and what a `mask` keeps; with `sigmas`, it is
   * still mixed in where they begin below 1). Default: 0.75.
   */
  strength?: number;
  /** How `initImage` and `mask` are put into `width` x `height`. "contain" leaves bars, white in the picture and to be painted in the mask. Default: "cover". */
  fit?: Fit;
  /**
   * Paint only a part of the `initImage` (inpainting): where this picture is white (128 to 255; transparent counts as black).
   * `"alpha"`: where `initImage` is transparent (alpha below 128), and the bars of "contain". InvalidOptionError when that is nowhere.
   */
  mask?: ImageInput | "alpha";
  /**
   * Put the pixels of `initImage` back where nothing was to be painted, unchanged to the bit. Without it these pixels too have passed
   * through the autoencoder, and the painted part is rounded up to blocks of 8x8. Default: true.
   */
  keepUnmasked?: boolean;
  /** Pixels on both sides of the mask's edge over which the painted part fades into the kept one, 0 to 256; needs `keepUnmasked`. Default: 0. */
  maskFeather?: number;
  /**
   * Place in line, −10 to 10: a run of higher priority starts before all waiting ones of lower, in the whole process. Within a priority, models
   * take turns, and a model's runs keep the order of the calls. The run in work is never interrupted: a batch is drawn to its end.
   * Has no influence on the pictures. Default: 0.
   */
  priority?: number;
  /** Draw even if the picture does not seem to fit into the memory that is free. Default: false: it is refused with InsufficientMemoryError. */
  force?: boolean;
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
  t5Prompt?: string;
  negativeT5Prompt?: string;
  eta?: number;
  sigmas?: number[];
  skipLayerGuidance?: Required<SkipLayerGuidance>;
  /** Those of the options and of the prompt's tags, which `prompt` here no longer has. */
  loras?: Required<Lora>[];
  vaeTiling?: VaeTiling;
  cache?: StepCache;
  /** With an `initImage`. */
  strength?: number;
  fit?: Fit;
  /** With a `mask`. */
  keepUnmasked?: boolean;
  maskFeather?: number;
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
export type Phase = "load" | "encode" | "sample" | "upscale" | "decode" | "convert";

/** Place in line, 1 = next; sent when the run has to wait and whenever its place changes, also backward when another goes before it. */
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
  /** Steps done, 1 to `steps`; while loading or converting: tensors; while an `Upscaler` works: tiles. */
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

export interface CountTokensOptions {
  /** The text that T5 gets instead of the prompt. Default: the prompt. */
  t5Prompt?: string;
}

/** What one text encoder makes of a prompt. */
export interface EncoderTokens {
  /** Tokens of the text, without begin, end and padding. */
  tokens: number;
  /** Chunks that this encoder reads one by one: of 75 tokens for the CLIPs (77 with begin and end). T5 reads all in one. */
  chunks: number;
  /**
   * Places that the text takes in the diffusion model's attention, with begin, end and padding: 77 for each chunk of the CLIPs, which stand side
   * by side; for T5 its tokens and an end token, at least 77.
   */
  positions: number;
}

/**
 * A prompt's tokens for each encoder that is loaded. Nothing is ever truncated: what does not fit into a CLIP's chunk goes on in the next. But the
 * pooled vector, which sets the picture's overall style, comes from the CLIPs' first chunk alone.
 */
export interface TokenCounts {
  clipL?: EncoderTokens;
  clipG?: EncoderTokens;
  t5xxl?: EncoderTokens;
  /** Chunks of 77 positions that the encoder with the most takes, as `estimateMemory` wants them. `generate` accepts at most 16. */
  chunks: number;
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
  /** Of the CPU: which of the prebuild's variants was chosen, after a kind of processor ("haswell"); absent in a build made for one machine. */
  variant?: string;
}
