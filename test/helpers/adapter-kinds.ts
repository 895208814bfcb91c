import {
  at,
  type FileTensor,
  hadamard,
  kronecker,
  lengths,
  type Matrix,
  matrix,
  plus,
  product,
  random,
  scalar,
  tensor,
  times,
  turned,
} from "./adapters.js";

/** What a module of one kind has in its file, by the end of the names, and what its weight becomes. */
export interface Module {
  tensors: Record<string, FileTensor>;
  merged: (weight: Matrix) => Matrix;
}

export type MakeModule = (name: string, rows: number, columns: number) => Module;

const rank = 2;

/** A product of two random matrices, or with a core in the middle. */
const low = (name: string, rows: number, columns: number, std: number) => ({
  a: random(`${name} a`, rows, rank, Math.sqrt(std)),
  b: random(`${name} b`, rank, columns, Math.sqrt(std)),
});

function lora(name: string, rows: number, columns: number) {
  const down = random(`${name} down`, rank, columns, 0.2);
  const up = random(`${name} up`, rows, rank, 0.2);
  const tensors = { "lora_down.weight": tensor(down), "lora_up.weight": tensor(up) };
  return { tensors, difference: product(up, down) };
}

function loha(name: string, rows: number, columns: number) {
  const [one, other] = [low(`${name} 1`, rows, columns, 0.4), low(`${name} 2`, rows, columns, 0.4)];
  const tensors = { hada_w1_a: tensor(one.a), hada_w1_b: tensor(one.b), hada_w2_a: tensor(other.a), hada_w2_b: tensor(other.b) };
  return { tensors, difference: hadamard(product(one.a, one.b), product(other.a, other.b)) };
}

function lokr(name: string, rows: number, columns: number) {
  const w1 = random(`${name} w1`, 4, 3, 0.3);
  const w2 = random(`${name} w2`, rows / 4, columns / 3, 0.15);
  return { tensors: { lokr_w1: tensor(w1), lokr_w2: tensor(w2) }, difference: kronecker(w1, w2) };
}

const added = (tensors: Module["tensors"], difference: Matrix): Module => ({ tensors, merged: (weight) => plus(weight, difference) });

/** W' = m (W + D) / |W + D|, by rows or by columns. */
function normed(weight: Matrix, difference: Matrix, magnitude: Matrix): Matrix {
  const changed = plus(weight, difference);
  const byRows = magnitude.columns === 1;
  const norms = lengths(byRows ? changed : turned(changed));
  return matrix(weight.rows, weight.columns, (i, j) => {
    const index = byRows ? i : j;
    return ((magnitude.values[index] as number) * at(changed, i, j)) / (norms.values[index] as number);
  });
}
const magnitudes = (name: string, rows: number, columns: number) =>
  matrix(rows, columns, (i, j) => 0.05 + 0.1 * Math.abs(at(random(name, rows, columns, 0.5), i, j)));

export const kinds: Record<string, MakeModule> = {
  "LoRA without alpha": (name, rows, columns) => {
    const { tensors, difference } = lora(name, rows, columns);
    return added(tensors, difference);
  },
  "LoRA with alpha": (name, rows, columns) => {
    const { tensors, difference } = lora(name, rows, columns);
    return added({ ...tensors, alpha: scalar(3) }, times(difference, 3 / rank));
  },
  "LoRA with a core": (name, rows, columns) => {
    const { down, up } = { down: random(`${name} d`, rank, columns, 0.2), up: random(`${name} u`, rows, rank, 0.2) };
    const mid = random(`${name} m`, rank, rank, 1);
    const tensors = { "lora_down.weight": tensor(down), "lora_up.weight": tensor(up), "lora_mid.weight": tensor(mid), alpha: scalar(1) };
    return added(tensors, times(product(up, product(mid, down)), 1 / rank));
  },
  LoHa: (name, rows, columns) => {
    const { tensors, difference } = loha(name, rows, columns);
    return added({ ...tensors, alpha: scalar(1) }, times(difference, 1 / rank));
  },
  "LoHa with cores": (name, rows, columns) => {
    const factors = ["1", "2"].map((n) => {
      const { a, b } = low(`${name} ${n}`, rows, columns, 0.4);
      const t = random(`${name} t${n}`, rank, rank, 1);
      return {
        tensors: { [`hada_w${n}_a`]: tensor(turned(a)), [`hada_w${n}_b`]: tensor(b), [`hada_t${n}`]: tensor(t) },
        whole: product(a, product(t, b)),
      };
    });
    const [one, other] = factors as [(typeof factors)[0], (typeof factors)[0]];
    return added({ ...one.tensors, ...other.tensors, alpha: scalar(3) }, times(hadamard(one.whole, other.whole), 3 / rank));
  },
  "LoKr whole": (name, rows, columns) => {
    const { tensors, difference } = lokr(name, rows, columns);
    return added({ ...tensors, alpha: scalar(10_000) }, difference); // its alpha has no meaning
  },
  "LoKr of low rank": (name, rows, columns) => {
    const w1 = random(`${name} w1`, 4, 3, 0.3);
    const { a, b } = low(name, rows / 4, columns / 3, 0.15);
    const tensors = { lokr_w1: tensor(w1), lokr_w2_a: tensor(a), lokr_w2_b: tensor(b), alpha: scalar(4) };
    return added(tensors, times(kronecker(w1, product(a, b)), 4 / rank));
  },
  "LoKr of low ranks": (name, rows, columns) => {
    const [one, other] = [low(`${name} 1`, 4, 3, 0.3), low(`${name} 2`, rows / 4, columns / 3, 0.15)];
    const tensors = {
      lokr_w1_a: tensor(one.a),
      lokr_w1_b: tensor(one.b),
      lokr_w2_a: tensor(other.a),
      lokr_w2_b: tensor(other.b),
      alpha: scalar(1),
    };
    return added(tensors, times(kronecker(product(one.a, one.b), product(other.a, other.b)), 1 / rank));
  },
  "LoKr with a core": (name, rows, columns) => {
    const w1 = random(`${name} w1`, 4, 3, 0.3);
    const { a, b } = low(name, rows / 4, columns / 3, 0.15);
    const t = random(`${name} t`, rank, rank, 1);
    const tensors = { lokr_w1: tensor(w1), lokr_w2_a: tensor(turned(a)), lokr_w2_b: tensor(b), lokr_t2: tensor(t), alpha: scalar(1) };
    return added(tensors, times(kronecker(w1, product(a, product(t, b))), 1 / rank));
  },
  GLoRA: (name, rows, columns) => {
    const [a, b] = [low(`${name} a`, columns, columns, 0.2), low(`${name} b`, rows, columns, 0.05)];
    const tensors = {
      "a1.weight": tensor(a.a),
      "a2.weight": tensor(a.b),
      "b1.weight": tensor(b.a),
      "b2.weight": tensor(b.b),
      alpha: scalar(1),
    };
    return { tensors, merged: (weight) => plus(weight, plus(product(product(weight, a.a), a.b), product(b.a, b.b)), 1 / rank) };
  },
  "GLoRA of old": (name, rows, columns) => {
    const [a, b] = [low(`${name} a`, columns, columns, 0.2), low(`${name} b`, rows, columns, 0.05)];
    const tensors = { "a1.weight": tensor(a.b), "a2.weight": tensor(a.a), "b1.weight": tensor(b.b), "b2.weight": tensor(b.a) };
    return { tensors, merged: (weight) => plus(weight, plus(product(product(weight, a.a), a.b), product(b.a, b.b))) };
  },
  "full difference": (name, rows, columns) => {
    const difference = random(name, rows, columns, 0.05);
    return added({ diff: tensor(difference) }, difference);
  },
  "DoRA by outputs": (name, rows, columns) => {
    const { tensors, difference } = lora(name, rows, columns);
    const magnitude = magnitudes(name, rows, 1);
    return {
      tensors: { ...tensors, dora_scale: tensor(magnitude), alpha: scalar(1) },
      merged: (weight) => normed(weight, times(difference, 1 / rank), magnitude),
    };
  },
  "DoRA by inputs": (name, rows, columns) => {
    const { tensors, difference } = lora(name, rows, columns);
    const magnitude = magnitudes(name, 1, columns);
    return { tensors: { ...tensors, dora_scale: tensor(magnitude) }, merged: (weight) => normed(weight, difference, magnitude) };
  },
  "DoRA of PEFT": (name, rows, columns) => {
    const { tensors, difference } = lora(name, rows, columns);
    const magnitude = magnitudes(name, rows, 1);
    return {
      tensors: { ...tensors, lora_magnitude_vector: tensor(magnitude, [rows]) },
      merged: (weight) => normed(weight, difference, magnitude),
    };
  },
  "DoRA of LoHa": (name, rows, columns) => {
    const { tensors, difference } = loha(name, rows, columns);
    const magnitude = magnitudes(name, rows, 1);
    return { tensors: { ...tensors, dora_scale: tensor(magnitude) }, merged: (weight) => normed(weight, difference, magnitude) };
  },
  "DoRA of LoKr": (name, rows, columns) => {
    const { tensors, difference } = lokr(name, rows, columns);
    const magnitude = magnitudes(name, 1, columns);
    return { tensors: { ...tensors, dora_scale: tensor(magnitude) }, merged: (weight) => normed(weight, difference, magnitude) };
  },
};

/** Modules by diffusers' names: the model's tensor, which rows of it, and whether diffusers has their halves in the other order. */
export interface Target {
  module: string;
  tensor: string;
  rows: number;
  columns: number;
  first?: number;
  swapped?: boolean;
}

/** Some of each kind of place in `exactModel(hidden)`. */
export function someTargets(hidden = 24): Target[] {
  const square = { rows: hidden, columns: hidden };
  const blocks = [0, 1, 2, 3].flatMap((i): Target[] => [
    { module: `transformer_blocks.${i}.attn.to_q`, tensor: `joint_blocks.${i}.x_block.attn.qkv.weight`, ...square, first: 0 },
    {
      module: `transformer_blocks.${i}.attn.add_v_proj`,
      tensor: `joint_blocks.${i}.context_block.attn.qkv.weight`,
      ...square,
      first: 2 * hidden,
    },
    { module: `transformer_blocks.${i}.attn.to_out.0`, tensor: `joint_blocks.${i}.x_block.attn.proj.weight`, ...square },
    {
      module: `transformer_blocks.${i}.ff.net.0.proj`,
      tensor: `joint_blocks.${i}.x_block.mlp.fc1.weight`,
      rows: 4 * hidden,
      columns: hidden,
    },
  ]);
  const halves = { rows: 2 * hidden, columns: hidden, swapped: true };
  return [
    ...blocks,
    { module: "transformer_blocks.23.norm1_context.linear", tensor: "joint_blocks.23.context_block.adaLN_modulation.1.weight", ...halves },
    { module: "norm_out.linear", tensor: "final_layer.adaLN_modulation.1.weight", ...halves },
  ];
}
