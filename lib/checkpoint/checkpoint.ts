import { detectFamily, families } from "../catalog/families.js";
import type { Family, ModelFiles, PartName } from "../types/index.js";
import type { FileFormat } from "./format.js";
import type { Header } from "./header.js";
import { detectKind, type Kind } from "./kinds.js";
import { fileName } from "./location.js";
import { type Contents, findParts, type Part } from "./parts.js";
import { readUnlessPickle } from "./reader.js";
import { type DiffusionSize, diffusionSize } from "./size.js";
import type { ReadOptions } from "./source.js";

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
}

export const partTitles: Record<PartName, string> = {
  diffusion: "diffusion model",
  clipL: "CLIP-L text encoder",
  clipG: "CLIP-G text encoder",
  t5xxl: "T5-XXL text encoder",
  vae: "VAE",
  taesd: "TAESD3",
};

/**
 * Reads a checkpoint's header and finds out what it is.
 * @throws ModelFileError, DownloadError and the signal's reason, as `readHeader`
 */
export async function readCheckpoint(location: string, options: ReadOptions = {}): Promise<Checkpoint> {
  return classify(location, await readUnlessPickle(location, options));
}

/** What a header shows; none is that of a pickle. */
export function classify(location: string, header: Header | undefined): Checkpoint {
  if (!header) return { location, format: "checkpoint", parts: [] };
  const kind = detectKind(header.tensors);
  const { parts, lookalike }: Contents = kind ? { parts: [] } : findParts(header.tensors);
  const diffusion = parts.find(({ name }) => name === "diffusion");
  const size = diffusion && diffusionSize(diffusion);
  return {
    location,
    format: header.format,
    header,
    parts,
    kind: kind ?? (parts.length ? undefined : unknownKind(lookalike)),
    size,
    family: size && detectFamily(size, fileName(location), titleOf(header)),
  };
}

function unknownKind(lookalike: string | undefined): Kind {
  return lookalike === undefined ? { id: "unknown", name: "unknown kind of model" } : { id: "other", name: lookalike };
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

/** What the engine puts before each tensor's name that does not begin with it, by option; what begins with another prefix is lost then. */
const enginePrefix: Record<PartName, string> = {
  diffusion: "model.diffusion_model.",
  clipL: "text_encoders.clip_l.transformer.",
  clipG: "text_encoders.clip_g.transformer.",
  t5xxl: "text_encoders.t5xxl.transformer.",
  vae: "vae.",
  taesd: "tae.",
};

/** The option of `loadModel` that a checkpoint belongs to; undefined when to none, or when that cannot be known. */
export function optionOf({ kind, parts }: Checkpoint): keyof ModelFiles | undefined {
  const [part] = parts;
  if (kind || !part) return undefined;
  if (parts.length > 1 || (part.prefix !== "" && part.prefix !== enginePrefix[part.name])) return "model";
  return part.name === "diffusion" ? "diffusionModel" : part.name;
}
