import { shown } from "./cursor.js";
import type { Header } from "./header.js";
import { wantedTensors } from "./layouts.js";
import type { Part } from "./parts.js";
import { readable } from "./plan.js";
import { diffusionSize } from "./size.js";

/**
 * What keeps the engine from loading a part: a tensor that is missing, or of another shape or type than the engine computes with. Undefined
 * when it will do.
 */
export function findFault(part: Part, { format }: Pick<Header, "format">): string | undefined {
  const size = part.name === "diffusion" ? sizeFault(part) : undefined;
  if (size) return size;
  const wanted = wantedTensors(part, format);
  const missing = wanted.filter(([name]) => !part.tensors.has(name));
  if (missing.length) {
    const others = missing.length > 1 ? ` and ${missing.length - 1} others` : "";
    return `lacks the tensor ${fileName(part, missing[0]?.[0] ?? "")}${others}`;
  }
  for (const [name, expected] of wanted) {
    const { shape = [], type = "" } = part.tensors.get(name) ?? {};
    if (!isWeight(type, format)) return `has ${fileName(part, name)} of type ${type}, expected a float or quantized type`;
    const length = Math.max(shape.length, expected.length);
    const differs = Array.from({ length }).some((_, i) => (shape[i] ?? 1) !== (expected[i] ?? 1));
    if (differs) return `has ${fileName(part, name)} with the shape ${shape.join("x") || 1}, expected ${expected.join("x")}`;
  }
  return undefined;
}

/** Types whose values the engine can compute with, or turn into such. */
function isWeight(type: string, format: Header["format"]): boolean {
  return format === "gguf" ? !/^(i\d+|f64|q8_1|q8_k)$/.test(type) : readable.has(type) && !/^[iu]/.test(type);
}

/** A tensor's name as the file has it, where it has it. */
function fileName(part: Part, name: string): string {
  return shown(part.tensors.get(name)?.name ?? part.prefix + name);
}

function sizeFault(part: Part): string | undefined {
  const { depth, hidden } = diffusionSize(part);
  if (depth < 24) return `has ${depth} joint blocks, expected 24 (Medium) or 38 (Large)`;
  if (!hidden || hidden % depth) return `is ${hidden} wide, which is no multiple of its ${depth} attention heads`;
  return undefined;
}
