import { detectFamily, families } from "../catalog/families.js";
import type { Family, ModelFiles, PartName } from "../types/index.js";
import { type Config, configBeside } from "./config.js";
import type { FileFormat } from "./format.js";
import type { Header } from "./header.js";
import { detectFragment, detectKind, type Kind } from "./kinds.js";
import { fileName } from "./location.js";
import { type Contents, findParts, type Part } from "./parts.js";
import { findQuantization, type Quantization, type Refusal } from "./quantization.js";
import { readUnlessPickle } from "./reader.js";
import { readQuantization } from "./scales.js";
import { type DiffusionSize, diffusionSize } from "./size.js";
import type { ReadOptions } from "./source.js";
import type { TensorInfo } from "./tensors.js";
import { usesOf } from "./uses.js";

/** A checkpoint and what its tensors show it to be. */
export interface Checkpoint {
  /** Path or URL, as it was given. */
  location: string;
  format: FileFormat;
  /** Not of a pickle, whose content shows when the engine loads it. */
  header?: Header;
  parts: Part[];
  /** What it is instead of a model of Stable Diffusion 3. */
  kind?: Kind;
  /** Of the diffusion model. */
  size?: DiffusionSize;
  family?: Family;
  /** Not of a pickle. */
  quantization?: Quantization;
  /** How many of its tensors are read, scales among them; of a model's parts. */
  used?: number;
  /** Tensors that change no picture, by the reason; of a model's parts. */
  idle?: ReadonlyMap<string, readonly TensorInfo[]>;
  /** Why it is not read, whatever else it is. */
  refused?: Refusal;
}

export const partTitles: Record<PartName, string> = {
  diffusion: "diffusion model",
  clipL: "CLIP-L text encoder",
  clipG: "CLIP-G text encoder",
  t5xxl: "T5-XXL text encoder",
  vae: "VAE",
  taesd: "TAESD3",
};

/** What helps to tell what a checkpoint is, beside its header. */
export interface Beside {
  /** Default: what the header says; with `.comfy_quant` tensors, what they contain is to be added. */
  quantization?: Quantization;
  /** The `config.json` of diffusers or transformers. */
  config?: Config;
  /** What its makers call it, where the file's name does not tell. */
  title?: string;
}

export interface CheckpointOptions extends ReadOptions {
  /** Of the model that the file is a part of. */
  title?: string;
}

/**
 * Reads a checkpoint's header, the small tensors that describe a quantization, and the config.json beside it, and finds out what it is.
 * @throws ModelFileError, DownloadError and the signal's reason, as `readHeader`
 */
export async function readCheckpoint(location: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const header = await readUnlessPickle(location, options);
  if (!header) return classify(location, header);
  const quantization = await readQuantization(header, options);
  const config = await configBeside(location);
  return classify(location, header, { quantization, config, title: options.title ?? nameOf(config) });
}

/** Where the weights came from, in configs that were saved again. */
function nameOf(config: Config | undefined): string | undefined {
  return typeof config?._name_or_path === "string" ? config._name_or_path : undefined;
}

/** What a header shows; none is that of a pickle. */
export function classify(location: string, header: Header | undefined, beside: Beside = {}): Checkpoint {
  if (!header) return { location, format: "checkpoint", parts: [] };
  const { quantization = findQuantization(header), config, title = titleOf(header) } = beside;
  const described = new Set([...quantization.scales.values(), ...[...quantization.idle.values()].flat()]);
  const tensors = described.size ? header.tensors.filter((tensor) => !described.has(tensor)) : header.tensors;
  const kind = detectKind(tensors);
  const contents: Contents = kind ? { parts: [], idle: new Map(), strangers: [], rivals: [] } : findParts(tensors);
  const { parts } = contents;
  const diffusion = parts.find(({ name }) => name === "diffusion");
  const size = diffusion && diffusionSize(diffusion);
  const checkpoint = {
    location,
    format: header.format,
    header,
    parts,
    kind: kind ?? (parts.length ? undefined : unknownKind(tensors, contents.lookalike, quantization.refused)),
    quantization,
    size,
    family: size && detectFamily(size, fileName(location), title),
  };
  return { ...checkpoint, ...usesOf(checkpoint, contents, config) };
}

function unknownKind(tensors: readonly TensorInfo[], lookalike: string | undefined, refused: Refusal | undefined): Kind {
  if (lookalike !== undefined) return { id: "other", name: lookalike };
  if (refused) return { id: "other", name: `checkpoint that ${refused.what}` };
  return detectFragment(tensors) ?? { id: "unknown", name: "unknown kind of model" };
}

/** The name that the makers gave it. */
export function titleOf({ metadata }: Header): string | undefined {
  const title = metadata["general.name"] ?? metadata["modelspec.title"];
  return typeof title === "string" ? title : undefined;
}

/** "CLIP-G text encoder", "Stable Diffusion 3.5 Medium, VAE", "LoRA" */
export function whatIs({ format, kind, parts, family }: Checkpoint): string {
  if (format === "checkpoint") return "pickle of Python";
  if (kind) return kind.name;
  return parts.map(({ name }) => (name === "diffusion" && family ? families[family].name : partTitles[name])).join(", ");
}

/** The option of `loadModel` that a checkpoint belongs to; undefined when to none, or when that cannot be known. */
export function optionOf({ kind, parts }: Checkpoint): keyof ModelFiles | undefined {
  const [part] = parts;
  if (kind || !part) return undefined;
  if (parts.length > 1) return "model";
  return part.name === "diffusion" ? "diffusionModel" : part.name;
}
