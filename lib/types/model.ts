import type { LogEvent, ProgressEvent } from "./events.js";
import type { Family, ModelFiles } from "./files.js";
import type { Backend, PresetName, Rng, WeightType } from "./names.js";
import type { GenerationParameters } from "./result.js";

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
   * Files of the model, or folders with them (and with folders directly in them), in any order: which is which shows in their tensors. Of a
   * diffusers folder, what its `model_index.json` names.
   * The options above win over what is found here. What is no part of a model is an error among files, and passed over in folders. A VAE
   * wins over a TAESD, except with `taesdPreviewOnly`.
   */
  files?: string | string[];
  /**
   * A model known by name instead of by files: `"demo"`, which ships with the package, or one that was pulled, by id or alias
   * (`"sd3.5-medium:q4_k_m"`, `"sd3.5-medium"`; `listModels` has them). Files given beside it take the place of its own. Nothing is
   * downloaded: MissingComponentError says what to pull.
   */
  preset?: PresetName;
  /** Family whose defaults apply. Default: the preset's, else read from the tensors ("turbo" from the name or title: its tensors are Large's). */
  family?: Family;
  /** Where to compute: `"auto"` (default: the first GPU, else CPU), `"cpu"`, `"gpu"`, `"cuda:0"`, `"vulkan:1"`, `"metal"`. */
  backend?: Backend;
  /** Another backend for single modules, for example `{ textEncoders: "cpu" }`. Default: `backend` for all. */
  placement?: Partial<Record<Module, Backend>>;
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
  weightType?: WeightType;
  /** Random generator: `"cuda"` (default, the same noise as most other tools), `"cpu"` (PyTorch's CPU noise) or `"std_default"`. */
  rng?: Rng;
  /** Prompts whose encoding is kept, so that the same prompt with another seed needs no text encoder. 0 to 1000. Default: 8. */
  promptCache?: number;
  /**
   * Folder of the LoRAs that prompts name as `<lora:name:0.8>`, files `name.safetensors` or `name.gguf` in it or in folders below it
   * (`<lora:styles/name:0.8>`, or the name alone where one file has it). Default: none, such tags are an error.
   */
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

/** What `generate` takes where no option says otherwise. */
export type ModelDefaults = Pick<GenerationParameters, "width" | "height" | "steps" | "cfgScale" | "sampler" | "scheduler" | "flowShift">;

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

/** Bytes. */
export interface ModelMemory {
  /** Of the weights, as they are in memory. */
  weights: number;
  /** The same by part, as in `ModelInfo.parts`. */
  parts: Record<string, number>;
  /** What can still be had of each device that the model uses, as in `estimateMemory`; with `isolate` of main memory ("cpu") alone. */
  free: Record<string, number>;
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
