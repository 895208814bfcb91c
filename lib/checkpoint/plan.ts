import type { PartName } from "../types/index.js";
import type { Assembly, Slot } from "./assembly.js";
import type { Checkpoint } from "./checkpoint.js";
import { wantedTensors } from "./layouts.js";
import type { Part } from "./parts.js";
import { readScales, type ScaleRange } from "./scales.js";
import type { ReadOptions } from "./source.js";
import { elementsOf, type Piece, type TensorInfo, type Weight } from "./tensors.js";

/**
 * The tensors of a checkpoint as the engine is to see them, where it would not find them itself: native/engine/plan.cc reads this. What a file
 * means is decided here, whether it can be read there.
 */
export interface Plan {
  files: string[];
  tensors: PlannedTensor[];
}

export interface PlannedTensor {
  name: string;
  /** Of the result, in ggml's names. */
  type: string;
  /** Row first. */
  shape: number[];
  /** Follow one another along the slowest dimension. */
  pieces: PlannedPiece[];
}

export interface PlannedPiece {
  /** Its number in `files`. */
  file: number;
  offset: number;
  bytes: number;
  /** The type in the file: ggml's names, `f8_e4m3`, `f8_e5m2`, `f64`. */
  as: string;
  /** One factor for all of the piece. */
  scale?: number;
  /** A factor for each of `count` rows, in the file. */
  scales?: { file: number; offset: number; as: string; count: number };
}

/** What the engine puts before each tensor's name that does not begin with it, by option. */
export const enginePrefix: Record<PartName, string> = {
  diffusion: "model.diffusion_model.",
  clipL: "text_encoders.clip_l.transformer.",
  clipG: "text_encoders.clip_g.transformer.",
  t5xxl: "text_encoders.t5xxl.transformer.",
  vae: "vae.",
  taesd: "tae.",
};

/** Types that the engine reads from safetensors files; one tensor of another, used or not, and it gives up on the file. */
export const readable = new Set(["f16", "bf16", "f32", "f64", "f8_e4m3", "f8_e5m2", "i32", "i64", "u8"]);

/** Whether the engine, opening the file, finds the same tensors with the same meaning. */
export function isPlain({ header, parts, quantization, format }: Checkpoint): boolean {
  if (!header) return true; // a pickle, which only the engine opens
  if (header.files.length > 1 || quantization?.scales.size) return false;
  if (format === "safetensors" && header.tensors.some(({ type }) => !readable.has(type))) return false;
  return parts.every((part) => {
    if (part.renamed || (part.name === "diffusion" && part.naming === "diffusers")) return false;
    const known = part.prefix === enginePrefix[part.name] || (part.prefix === "first_stage_model." && parts.length > 1);
    return known || (part.prefix === "" && parts.length === 1);
  });
}

/**
 * Plans of those files of a model that are not plain, by their paths as the engine gets them.
 * @returns JSON; undefined when it finds all itself
 */
export async function planModel({ files, used }: Assembly, options: ReadOptions = {}): Promise<string | undefined> {
  const plans: Record<string, Plan> = {};
  for (const [slot, location] of Object.entries(files) as [Slot, string][]) {
    const parts = used.filter((part) => part.slot === slot);
    const checkpoint = parts[0]?.checkpoint;
    if (checkpoint && !isPlain(checkpoint)) plans[location] = await planOf(parts, slot === "model", options);
  }
  return Object.keys(plans).length ? JSON.stringify(plans) : undefined;
}

/** Some parts of a checkpoint, or, without parts, all tensors of one that is no model. */
export interface PlanSource {
  checkpoint: Checkpoint;
  part?: Part;
}

/**
 * One plan of parts of some checkpoints.
 * @param together names get the prefix of their part, as a file of several needs it
 */
export async function planOf(sources: readonly PlanSource[], together: boolean, options: ReadOptions = {}): Promise<Plan> {
  const weights = sources.flatMap(({ checkpoint, part }) => weightsOf(checkpoint, part, together));
  const scales = new Map<string, TensorInfo>();
  for (const { checkpoint, weight } of weights) {
    for (const { tensor } of piecesOf(weight)) {
      const scale = checkpoint.quantization?.scales.get(tensor.name);
      if (scale) scales.set(`${tensor.file}\0${tensor.name}`, scale);
    }
  }
  const ranges = await readScales([...scales.values()], options);
  const files = new Map<string, number>();
  const numberOf = (file: string) => {
    const number = files.get(file) ?? files.size;
    files.set(file, number);
    return number;
  };
  const tensors = weights.map(({ name, weight, checkpoint }): PlannedTensor => {
    const scaleOf = ({ file, name }: TensorInfo) => scales.get(`${file}\0${name}`);
    const pieces = piecesOf(weight);
    const type = resultType(
      weight,
      pieces.flatMap(({ tensor }) => ranges.get(scaleOf(tensor) as TensorInfo) ?? []),
    );
    const shape = checkpoint.format === "gguf" ? withoutOnes(weight.shape) : weight.shape;
    return { name, type, shape, pieces: pieces.map((piece) => planPiece(piece, numberOf, scaleOf(piece.tensor), ranges)) };
  });
  return { files: [...files.keys()], tensors };
}

interface NamedWeight {
  name: string;
  weight: Weight;
  checkpoint: Checkpoint;
}

function weightsOf(checkpoint: Checkpoint, part: Part | undefined, together: boolean): NamedWeight[] {
  const { header, quantization } = checkpoint;
  if (!header) return [];
  if (!part) {
    const described = new Set([...(quantization?.scales.values() ?? []), ...[...(quantization?.idle.values() ?? [])].flat()]);
    const weights = header.tensors.filter((tensor) => !described.has(tensor) && tensor.type !== "u8"); // bytes are no weights
    return weights.map((weight) => ({ name: weight.name, weight, checkpoint }));
  }
  return wantedTensors(part, header.format).flatMap(([original]) => {
    const weight = part.tensors.get(original);
    return weight ? [{ name: nameOf(part, original, together), weight, checkpoint }] : [];
  });
}

function nameOf({ name }: Part, original: string, together: boolean): string {
  const engine = original === "text_projection" ? "text_projection.weight" : original;
  const prefix = name === "vae" ? "first_stage_model." : enginePrefix[name];
  return together ? prefix + engine : engine;
}

function piecesOf(weight: Weight): Piece[] {
  return weight.pieces ?? [{ tensor: weight }];
}

function planPiece(
  { tensor, from = 0, rows }: Piece,
  numberOf: (file: string) => number,
  scale: TensorInfo | undefined,
  ranges: ReadonlyMap<TensorInfo, ScaleRange>,
): PlannedPiece {
  const all = tensor.shape.at(-1) ?? 1;
  const count = rows ?? all;
  const rowBytes = tensor.bytes / all;
  const [offset, bytes] = rows === undefined ? [tensor.offset, tensor.bytes] : [tensor.offset + from * rowBytes, count * rowBytes];
  const piece = { file: numberOf(tensor.file), offset, bytes, as: tensor.type };
  if (!scale) return piece;
  const value = ranges.get(scale)?.value;
  if (value !== undefined) return { ...piece, scale: value };
  const step = scale.bytes / (elementsOf(scale.shape) ?? 1);
  return { ...piece, scales: { file: numberOf(scale.file), offset: scale.offset + from * step, as: scale.type, count } };
}

/** The largest numbers of F16 and of both fp8 types. */
const largest: Record<string, number> = { f16: 65_504, f8_e4m3: 448, f8_e5m2: 57_344 };

/** F16 keeps 11 bits of a number from 2^-14 on; below this, the largest weight of an fp8 tensor would have fewer than it can use. */
const leastLargest = 2 ** -10;

/** What holds the products of weights and scales: F16 where it can, as fp8 without scales becomes F16 too; else F32. */
function resultType({ type }: Weight, scales: readonly ScaleRange[]): string {
  const float = type.startsWith("f8_") ? "f16" : type === "f64" ? "f32" : type;
  const limit = largest[type];
  if (scales.length === 0 || limit === undefined) return float;
  const most = Math.max(...scales.map((scale) => scale.most)) * limit;
  const least = Math.min(...scales.map((scale) => scale.least)) * limit;
  return type !== "f16" && most <= 65_504 && least >= leastLargest ? "f16" : "f32";
}

/** ggml knows no trailing ones. */
function withoutOnes(shape: readonly number[]): number[] {
  let length = shape.length;
  while (length > 1 && shape[length - 1] === 1) length--;
  return shape.slice(0, length);
}
