import { truncate, writeFile } from "node:fs/promises";
import type { TensorSpec } from "./gguf.js";
import { rawSafetensors } from "./raw.js";

export interface SparseOptions {
  metadata?: Record<string, string>;
  dtype?: "F32" | "F16" | "BF16" | "F8_E4M3";
}

/** A safetensors file of these tensors with a hole in the place of its weights, all of one type. */
export async function writeSparseSafetensors(file: string, tensors: readonly TensorSpec[], options: SparseOptions = {}): Promise<void> {
  const { metadata, dtype = "F16" } = options;
  const bytes = { F32: 4, F16: 2, BF16: 2, F8_E4M3: 1 }[dtype];
  let end = 0;
  const entries = tensors.map(({ name, shape }) => {
    const begin = end;
    end += shape.reduce((product, length) => product * length, bytes);
    return [name, { dtype, shape: [...shape].reverse(), data_offsets: [begin, end] }] as const;
  });
  const head = rawSafetensors({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(entries) });
  await writeFile(file, head);
  await truncate(file, head.length + end);
}
