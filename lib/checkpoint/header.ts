import type { TensorInfo } from "./tensors.js";

/** What the headers of a checkpoint say. */
export interface Header {
  format: "gguf" | "safetensors";
  /** One, or all parts of a split checkpoint. */
  files: { path: string; bytes: number }[];
  /** Of the GGUF format. */
  version?: number;
  metadata: Record<string, unknown>;
  tensors: TensorInfo[];
}
