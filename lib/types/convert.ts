import type { LogEvent, ProgressEvent } from "./events.js";
import type { ConvertType } from "./names.js";

export interface ConvertOptions {
  /**
   * A checkpoint or one part of it: GGUF, safetensors (also split, named by any part or the index) or .ckpt; or a folder with the parts of a model, as
   * diffusers makes it, which become one file for `model`.
   */
  input: string;
  /** The file to write; ends in .gguf. Its folder must exist. An older file is replaced when the new one is complete. */
  output: string;
  /**
   * Type of the weights: `f32`, `f16`, `bf16`, `q8_0`, `q6_k`, `q5_k`, `q5_1`, `q5_0`, `q4_k`, `iq4_xs`, `iq4_nl`, `q4_1`, `q4_0`, `q3_k`
   * or `q2_k`, from large to small. Where rows are no multiple of 256 (most of SD 3.5 Large), `q6_k` becomes `q8_0`, `q5_k` `q5_1`, `q4_k`
   * `q5_0`, and `iq4_xs`, `q3_k`, `q2_k` `iq4_nl`; where they are no multiple of 32, `f16`.
   */
  type: ConvertType;
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
