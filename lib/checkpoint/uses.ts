import { type Config, configFault } from "./config.js";
import { shown } from "./cursor.js";
import { wantedTensors } from "./layouts.js";
import type { Contents, Part } from "./parts.js";
import { type Quantization, type Refusal, unscaledRefusal } from "./quantization.js";
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
  const strangers = new Set(contents.strangers);
  const used = new Set<TensorInfo>();
  let unscaled: Refusal | undefined;
  for (const part of parts) {
    const wanted = new Set(wantedTensors(part, header.format).map(([name]) => name));
    unscaled ??= unscaledRefusal(quantization, part.prefix, [...part.tensors.values()].flatMap(sourcesOf));
    for (const [name, weight] of part.tensors) {
      const tensors = sourcesOf(weight);
      for (const tensor of tensors) {
        (wanted.has(name) ? used : strangers).add(tensor);
        const scale = scales.get(tensor.name);
        if (scale) used.add(scale);
      }
    }
  }
  const [part] = parts;
  const refused =
    quantization.refused ??
    unscaled ??
    twiceRefusal(contents) ??
    rivalRefusal(contents) ??
    strangeRefusal([...strangers]) ??
    (config && part && parts.length === 1 ? configFault(part.name, config) : undefined);
  for (const tensor of refused?.tensors ?? []) used.delete(tensor);
  return { used: used.size, idle, refused };
}

function twiceRefusal({ twice, strangers }: Contents): Refusal | undefined {
  if (!twice) return undefined;
  const [part, first, second] = twice;
  const tensors = strangers.filter(({ name }) => name.startsWith(second));
  const at = (prefix: string) => (prefix === "" ? "without a prefix" : `as ${shown(prefix)}`);
  return { what: `holds the part ${part} twice, ${at(first)} and ${at(second)}`, remedy: "name a file with one of them", tensors };
}

function rivalRefusal({ rivals }: Contents): Refusal | undefined {
  const [rival] = rivals;
  if (!rival) return undefined;
  const [first] = rival;
  const what = `has two tensors for one weight, ${shown(first.name)} and another`;
  return { what, remedy: "get a copy with one of them", tensors: [...new Set(rivals.map(([, other]) => other))] };
}

function strangeRefusal(strangers: TensorInfo[]): Refusal | undefined {
  if (strangers.length === 0) return undefined;
  const what = "has tensors of which it is not known what they change";
  return { what, remedy: "get a copy without them", tensors: strangers };
}
