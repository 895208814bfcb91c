import type { TensorInfo } from "../tensors.js";
import type { Adapter, Change } from "./adapter.js";

/**
 * What native code is told of a LoRA, as JSON: `native/engine/lora/plan.h` mirrors it. The file's tensors stand in one list, which the
 * changes point into.
 */
interface Plan {
  /** Of the file, in bytes. */
  size: number;
  tensors: { name: string; type: string; offset: number; bytes: number; elements: number }[];
  changes: PlannedChange[];
  /** The first names of tensors without a module, and how many there are. */
  homeless: { names: string[]; count: number };
}

interface PlannedChange {
  /** The engine's name of the tensor, and that of its module's weight. */
  target: string;
  weight: string;
  third?: number;
  halves?: boolean;
  form: string;
  rows: number;
  columns: number;
  rank?: number;
  alpha?: number;
  rootOfRank?: boolean;
  /** Rows and columns of LoKr's w1. */
  first?: [rows: number, columns: number];
  /** Places in `tensors` by role. */
  roles: Record<string, number>;
  /** A magnitude has a number for each row or for each column (of inputs). */
  magnitudeOf?: "rows" | "columns";
}

const shownNames = 3;

/** The plan of an adapter without a fault, in a file of `size` bytes. */
export function planOf({ changes, homeless }: Adapter, size: number): string {
  const tensors: Plan["tensors"] = [];
  const planned = changes.map((change) => planChange(change, tensors));
  const plan: Plan = { size, tensors, changes: planned, homeless: { names: homeless.slice(0, shownNames), count: homeless.length } };
  return JSON.stringify(plan);
}

function planChange(change: Change, tensors: Plan["tensors"]): PlannedChange {
  const { place, ofBias, form, rows, columns, rank, first, alpha, rootOfRank } = change;
  const names = form === "glora" ? new Map(change.roles.map((role, i) => [role, ["a1", "a2", "b1", "b2"][i]])) : undefined;
  const roles: Record<string, number> = {};
  for (const [role, { name, type, offset, bytes, shape }] of change.tensors) {
    const key = names?.get(role) ?? role.replace(/^(?:hada|lokr)_/, "");
    roles[key] = tensors.push({ name, type, offset, bytes, elements: shape.reduce((product, length) => product * length, 1) }) - 1;
  }
  const magnitude = change.tensors.get("magnitude");
  return {
    target: ofBias ? place.bias : place.weight,
    weight: place.weight,
    ...(place.third === undefined ? {} : { third: place.third }),
    ...(place.halves ? { halves: true } : {}),
    form,
    rows,
    columns,
    ...(rank === undefined ? {} : { rank }),
    ...(alpha === undefined ? {} : { alpha }),
    ...(rootOfRank ? { rootOfRank } : {}),
    ...(first ? { first } : {}),
    roles,
    ...(magnitude ? { magnitudeOf: magnitudeAxis(magnitude, rows) } : {}),
  };
}

/**
 * PEFT's magnitudes have one for each output; LyCORIS', sd-scripts' and OneTrainer's are [outputs, 1] or [1, inputs] (in torch's order), by
 * which of the two was normed.
 */
function magnitudeAxis({ name, shape }: TensorInfo, rows: number): "rows" | "columns" {
  const ofPeft = name.includes("lora_magnitude_vector") || shape.length < 2;
  return ofPeft || (shape.at(-1) ?? 1) > 1 || rows === 1 ? "rows" : "columns";
}
