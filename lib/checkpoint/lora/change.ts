import { elementsOf, type TensorInfo } from "../tensors.js";
import type { Role } from "./roles.js";

/** How a module's weight changes. W is the weight, of `rows` outputs and `columns` inputs (of a convolution: inputs times its kernel). */
export type Form =
  /** up · down, or up · mid · down. */
  | "lora"
  /** (w1_a · w1_b) ∘ (w2_a · w2_b); with t1 and t2 each factor is a Tucker product. */
  | "loha"
  /** w1 ⊗ w2, each of them whole or a product; w2 may be a Tucker product. */
  | "lokr"
  /** W · a1 · a2 + b1 · b2; in files of old versions W · a2 · a1 + b2 · b1. */
  | "glora"
  /** A difference. */
  | "full";

export const formTitles: Record<Form, string> = { lora: "LoRA", loha: "LoHa", lokr: "LoKr", glora: "GLoRA", full: "full difference" };

export type Tensors = Map<Role, TensorInfo>;

export interface Shape {
  form: Form;
  rows: number;
  columns: number;
  /** What alpha is divided by; undefined for a form whose alpha has no meaning. */
  rank?: number;
  /** The roles that it consists of; GLoRA's in the order that its form is written in. */
  roles: Role[];
  /** Rows and columns of LoKr's w1. */
  first?: [rows: number, columns: number];
}

const elements = (tensor: TensorInfo) => elementsOf(tensor.shape) ?? Number.NaN;
const last = (tensor: TensorInfo) => tensor.shape.at(-1) ?? 1; // torch's first
const second = (tensor: TensorInfo) => (tensor.shape.length < 2 ? 1 : (tensor.shape.at(-2) as number)); // torch's second

/**
 * The form of a module's tensors and what it changes; undefined when there are none that would change its weight.
 * @throws Error whose message says what is missing or does not fit
 */
export function shapeOf(tensors: Tensors): Shape | undefined {
  const has = (role: Role) => tensors.has(role);
  const forms = [...tensors.keys()].map(formOf).filter((form) => form !== undefined);
  const [form, other] = [...new Set(forms)];
  if (form === undefined) {
    if (has("magnitude")) throw new Error("has a magnitude (DoRA), but no pair of lora_down and lora_up");
    return undefined;
  }
  if (other !== undefined) throw new Error(`is changed as ${formTitles[form]} and as ${formTitles[other]} at once`);
  const need = (...roles: Role[]) => {
    const missing = roles.find((role) => !has(role));
    if (missing)
      throw new Error(
        `has no ${fileNames[missing] ?? missing} beside ${[...tensors.keys()].map((role) => fileNames[role] ?? role).join(", ")}`,
      );
    return roles.map((role) => tensors.get(role) as TensorInfo);
  };
  switch (form) {
    case "lora":
      return lora(need, tensors);
    case "loha":
      return loha(need, tensors);
    case "lokr":
      return lokr(need, tensors);
    case "glora":
      return glora(need);
    case "full": {
      const [diff] = need("diff") as [TensorInfo];
      return { form, rows: last(diff), columns: elements(diff) / last(diff), roles: ["diff"] };
    }
  }
}

type Need = (...roles: Role[]) => TensorInfo[];

const fileNames: Partial<Record<Role, string>> = {
  down: "lora_down",
  up: "lora_up",
  mid: "lora_mid",
  magnitude: "dora_scale",
  upBias: "lora_B.bias",
};

function formOf(role: Role): Form | undefined {
  if (role === "down" || role === "up" || role === "mid" || role === "upBias") return "lora";
  if (role === "diff") return "full";
  return (["loha", "lokr", "glora"] as const).find((form) => role.startsWith(form === "loha" ? "hada_" : `${form}_`));
}

function lora(need: Need, tensors: Tensors): Shape {
  const [down, up] = need("down", "up") as [TensorInfo, TensorInfo];
  const rank = down.shape.length < 2 ? 1 : last(down);
  const upRank = elements(up) / last(up);
  if (rank !== upRank) throw new Error(`has ranks ${rank} and ${upRank}`);
  const mid = tensors.get("mid");
  const kernel = mid ? elements(mid) / rank ** 2 : 1;
  if (!Number.isInteger(kernel))
    throw new Error(`has a lora_mid of ${mid && elements(mid)} elements, which are no squares of rank ${rank}`);
  return {
    form: "lora",
    rows: last(up),
    columns: (elements(down) / rank) * kernel,
    rank,
    roles: mid ? ["down", "up", "mid"] : ["down", "up"],
  };
}

/** Lengths of a · b, or of the Tucker product of a, b and t: [rows, columns, rank]. */
function product(a: TensorInfo, b: TensorInfo, t: TensorInfo | undefined): [number, number, number] {
  const rank = last(b);
  const [rows, aRank] = t ? [elements(a) / last(a), last(a)] : [last(a), elements(a) / last(a)];
  if (aRank !== rank) throw new Error(`has ranks ${aRank} and ${rank}`);
  const kernel = t ? elements(t) / rank ** 2 : 1;
  if (!Number.isInteger(kernel)) throw new Error(`has a Tucker core that does not fit to rank ${rank}`);
  return [rows, (elements(b) / rank) * kernel, rank];
}

function loha(need: Need, tensors: Tensors): Shape {
  const roles: Role[] = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"];
  const tucker = tensors.has("hada_t1") || tensors.has("hada_t2");
  if (tucker) roles.push("hada_t1", "hada_t2");
  const [a1, b1, a2, b2, t1, t2] = need(...roles) as [TensorInfo, TensorInfo, TensorInfo, TensorInfo, TensorInfo?, TensorInfo?];
  const [rows, columns, rank] = product(a1, b1, t1);
  const [otherRows, otherColumns] = product(a2, b2, t2);
  if (rows !== otherRows || columns !== otherColumns)
    throw new Error(`has factors of ${rows} x ${columns} and ${otherRows} x ${otherColumns}`);
  return { form: "loha", rows, columns, rank, roles };
}

function lokr(need: Need, tensors: Tensors): Shape {
  const roles: Role[] = [];
  let rank: number | undefined;
  const factor = (number: 1 | 2): [number, number] => {
    const whole: Role = `lokr_w${number}`;
    const tensor = tensors.get(whole);
    if (tensor) {
      roles.push(whole);
      const rows = tensor.shape.length < 2 ? 1 : last(tensor); // GGUF may leave out a last length of 1
      return [rows, elements(tensor) / rows];
    }
    const [a, b] = need(`lokr_w${number}_a`, `lokr_w${number}_b`) as [TensorInfo, TensorInfo];
    const t = number === 2 ? tensors.get("lokr_t2") : undefined;
    roles.push(`lokr_w${number}_a`, `lokr_w${number}_b`, ...(t ? (["lokr_t2"] as const) : []));
    const [rows, columns, own] = product(a, b, t);
    rank = own; // of w2 where both are products, as ComfyUI and LyCORIS do
    return [rows, columns];
  };
  const [rows1, columns1] = factor(1);
  const [rows2, columns2] = factor(2);
  const first: [number, number] = [rows1, columns1];
  return { form: "lokr", rows: rows1 * rows2, columns: columns1 * columns2, ...(rank === undefined ? {} : { rank }), roles, first };
}

function glora(need: Need): Shape {
  const roles: Role[] = ["glora_a1", "glora_a2", "glora_b1", "glora_b2"];
  const [a1, a2, b1, b2] = need(...roles) as [TensorInfo, TensorInfo, TensorInfo, TensorInfo];
  // Linear layers, torch's order: now a1 [in, r], a2 [r, in], b1 [out, r], b2 [r, in]; once a1 [r, in], a2 [in, r], b1 [r, in], b2 [out, r].
  const now = last(a1) === second(a2) && last(a2) === second(a1) && second(b1) === last(b2) && last(b2) === last(a2);
  const once = last(a1) === second(a2) && last(b1) === second(b2) && last(b1) === last(a1);
  if (!now && !once) throw new Error("has GLoRA tensors that do not fit to each other");
  const isNow = now && (!once || last(a2) <= last(a1));
  const rank = isNow ? last(a2) : last(a1);
  return {
    form: "glora",
    rows: isNow ? last(b1) : last(b2),
    columns: second(isNow ? b2 : b1),
    rank,
    roles: isNow ? roles : ["glora_a2", "glora_a1", "glora_b2", "glora_b1"],
  };
}
