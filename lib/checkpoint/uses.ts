import { type Config, configFault } from "./config.js";
import { shown } from "./cursor.js";
import { wantedTensors } from "./layouts.js";
import type { Contents, Part } from "./parts.js";
import type { Quantization, Refusal } from "./quantization.js";
import { collect, type TensorInfo, type Weight } from "./tensors.js";

export interface Uses {
  used?: number;
  idle?: Map<string, TensorInfo[]>;
  refused?: Refusal;
}

/** The tensors of the file that make one of the model. */
export function sourcesOf(weight: Weight): TensorInfo[] {
  return weight.pieces ? [...new Set(weight.pieces.map(({ tensor }) => tensor))] : [weight];
}

/**
 * Accounts for every tensor of a file: it is read, it is known to change no picture, or the file is refused. What the file lacks is another
 * question: see `findFault`.
 */
export function usesOf(
  { header, parts, quantization }: { header: { format: "gguf" | "safetensors" }; parts: readonly Part[]; quantization: Quantization },
  contents: Contents,
  config: Config | undefined,
): Uses {
  if (parts.length === 0) return { refused: quantization.refused };
  const { scales } = quantization;
  const idle = new Map<string, TensorInfo[]>();
  for (const source of [quantization.idle, contents.idle, ...parts.map((part) => part.idle)]) {
    for (const [reason, tensors] of source) for (const tensor of tensors) collect(idle, reason, tensor);
  }
  const strangers = [...contents.strangers];
  let used = 0;
  const scaled = new Set<string>();
  for (const part of parts) {
    const wanted = new Set(wantedTensors(part, header.format).map(([name]) => name));
    for (const [name, weight] of part.tensors) {
      const tensors = sourcesOf(weight);
      if (!wanted.has(name)) strangers.push(...tensors);
      else used += tensors.length;
      for (const tensor of tensors) if (scales.has(tensor.name)) scaled.add(tensor.name);
    }
  }
  const [part] = parts;
  const refused =
    quantization.refused ??
    twiceRefusal(contents) ??
    strangeRefusal(strangers) ??
    (config && part && parts.length === 1 ? configFault(part.name, config) : undefined);
  return { used: used + scaled.size, idle, refused };
}

function twiceRefusal({ twice }: Contents): Refusal | undefined {
  if (!twice) return undefined;
  const [part, first, second] = twice;
  const at = (prefix: string) => (prefix === "" ? "without a prefix" : `as ${shown(prefix)}`);
  return { what: `holds the part ${part} twice, ${at(first)} and ${at(second)}`, remedy: "name a file with one of them", tensors: [] };
}

function strangeRefusal(strangers: TensorInfo[]): Refusal | undefined {
  if (strangers.length === 0) return undefined;
  const what = "has tensors of which it is not known what they change";
  return { what, remedy: "get a copy without them", tensors: strangers };
}
