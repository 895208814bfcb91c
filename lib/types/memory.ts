import type { ModelFiles } from "./files.js";
import type { GenerateOptions } from "./generate.js";
import type { ModelOptions } from "./model.js";

type ModelChoices = "files" | "preset" | "family" | "backend" | "placement" | "taesdPreviewOnly" | "threads" | "flashAttention";
type PictureChoices = "width" | "height" | "batchCount" | "vaeTiling" | "hires" | "preview";

/**
 * A model as for `loadModel` (a `preset` need not be pulled: its headers are then read from the hub), and a picture as for `generate`. Steps, guidance and seed have no influence: the passes of a step are computed one
 * after the other.
 */
export interface EstimateOptions
  extends ModelFiles,
    Pick<ModelOptions, ModelChoices | "mmap" | "offload" | "weightType" | "signal">,
    Pick<GenerateOptions, PictureChoices> {
  /** Chunks of 77 tokens that the CLIPs read of the prompt, 1 to 16; `model.countTokens` counts them. Default: 1. */
  chunks?: number;
  /** Tokens that T5 reads, with the end and padding, 77 to 1232: its `positions` in `model.countTokens`. Default: 77 for each chunk. */
  t5Tokens?: number;
  /** With an `initImage`. Default: false. */
  imageToImage?: boolean;
}

/** Bytes of one part of a model. */
export interface PartMemory {
  /** As they will be in memory. */
  weights: number;
  /** Most that this part's computation takes. */
  compute: number;
  /** Where it computes. */
  device: string;
  /** Where its weights wait: a device, or "disk". */
  weightsDevice: string;
}

/** Bytes on one device. */
export interface DeviceMemory {
  /** Most at any time from the beginning of the load to the end of a run. */
  peak: number;
  /** Of these, pages of mapped files (`mmap`), which the system takes back when it needs memory: they may be missing. */
  mapped: number;
  /** What this process can still get. The cache of files counts as free. */
  available: number;
  /** Why it is not more: what the machine has, a control group (container), `ulimit -v`, or what the device has. */
  bound: "system" | "cgroup" | "ulimit" | "device";
  fits: boolean;
}

export interface MemoryEstimate {
  /** The picture that is meant, with defaults filled in. */
  width: number;
  height: number;
  batchCount: number;
  /** By part: `diffusion`, `clipL`, `clipG`, `t5xxl`, `vae`, `taesd`. */
  parts: Record<string, PartMemory>;
  /** Main memory for all the rest: vocabularies, code, ggml's scratch memory, and the pictures. */
  other: number;
  /** By device: "cpu" is main memory. */
  devices: Record<string, DeviceMemory>;
  /** On every device. */
  fits: boolean;
  /** When it does not fit: what to change, the best for the pictures first. */
  suggestions: MemorySuggestion[];
}

/** A change with which a model needs less of the memory that is short. */
export interface MemorySuggestion {
  /** What to do, in words. */
  text: string;
  /** The same as options. */
  options: Partial<EstimateOptions>;
  /** Bytes that it saves on the device that is short. */
  saves: number;
  /** Whether everything fits with this change alone. */
  fits: boolean;
}
