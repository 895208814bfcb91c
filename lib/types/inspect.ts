import type { Family, ModelFiles, PartName } from "./files.js";
import type { PresetName } from "./names.js";

/** How the tensors of a file are named, and how much of a model it holds. */
export type Layout =
  /** The diffusion model alone, for `diffusionModel`. */
  | "diffusion-only"
  /** Several parts in one file, for `model`. */
  | "all-in-one"
  /** One other part in the names of its makers. */
  | "part"
  /** A diffusion model or VAE in the names of Hugging Face's diffusers, which are read. */
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

/** What is used of a LoRA, in tensors of its file. */
export interface InspectedLora {
  /** They change modules of Stable Diffusion 3. Whether a model has these, and their sizes, shows when a picture is drawn. */
  used: number;
  /** Nothing is lost without them, as with the alpha of a pair that is not there. */
  idle: number;
  /** They are for modules that Stable Diffusion 3 does not have. */
  homeless: number;
  /** How many tensors of each part of a model are changed, as `{ diffusion: 190, clipL: 72 }`. */
  changes: Record<string, number>;
  /** Why `generate` refuses it: it holds what would change the picture, and is not understood. */
  fault?: string;
}

/** What becomes of a file's tensors: each is read, changes no picture, or is the reason why the file is refused. */
export interface TensorUses {
  /** How many are read, the scales of quantized weights among them. */
  used: number;
  /** Those that change no picture, and why. `first` are some of their names. */
  withoutEffect: { reason: string; tensors: number; first: string[] }[];
  /** Why the file is not read: a quantization that is not known, or tensors of which nothing is known. */
  refused?: { reason: string; tensors: number; first: string[] };
}

/** What one checkpoint is. */
export interface FileInspection {
  /** Path or URL, as it was given; of a model by name its path in the cache folder, or its address when it has not been pulled. */
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
  /** Of a LoRA. */
  lora?: InspectedLora;
  /** How the weights are quantized beside their types: "scaled weights (a factor for each tensor)". */
  quantization?: string;
  /** Of parts of a model, and of files that are refused. */
  tensors?: TensorUses;
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

/** A file, a folder, an https URL, or a model by name. */
export type ModelSource = PresetName | (string & {});

export interface InspectOptions {
  /** Also reads the whole files for their SHA-256; not for URLs and models that have not been pulled. Default: false. */
  sha256?: boolean;
  /**
   * For URLs that need one: sent as `authorization: Bearer …` to the URL's own host alone. For models by name it takes the place of HF_TOKEN.
   */
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
