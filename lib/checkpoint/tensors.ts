/** One tensor of a checkpoint, as its file's header describes it. */
export interface TensorInfo {
  name: string;
  /** ggml's name in lower case (`f16`, `q4_k`), or safetensors' where ggml has none (`f8_e4m3`, `u16`). */
  type: string;
  /** In ggml's order: the length of a row first. */
  shape: number[];
  /** Of the data, from the beginning of the file. */
  offset: number;
  bytes: number;
  /** Path or URL. */
  file: string;
}

/** Rows of a tensor (of its slowest dimension): all, unless `rows` says how many from `from` on. */
export interface Piece {
  tensor: TensorInfo;
  from?: number;
  rows?: number;
}

/** A tensor of the model: one of the file, or pieces of some, one after the other. */
export interface Weight extends TensorInfo {
  pieces?: Piece[];
}

/** Published checkpoints have up to some thousands. */
export const mostTensors = 65_536;

export interface TensorType {
  name: string;
  /** Elements of a block. */
  elements: number;
  /** Bytes of a block. */
  bytes: number;
}

// Each line: number in GGUF files, name, elements and bytes of a block; from the pinned ggml's ggml.h and ggml-common.h.
const ggmlTable = `
0 f32 1 4
1 f16 1 2
2 q4_0 32 18
3 q4_1 32 20
6 q5_0 32 22
7 q5_1 32 24
8 q8_0 32 34
9 q8_1 32 36
10 q2_k 256 84
11 q3_k 256 110
12 q4_k 256 144
13 q5_k 256 176
14 q6_k 256 210
15 q8_k 256 292
16 iq2_xxs 256 66
17 iq2_xs 256 74
18 iq3_xxs 256 98
19 iq1_s 256 50
20 iq4_nl 32 18
21 iq3_s 256 110
22 iq2_s 256 82
23 iq4_xs 256 136
24 i8 1 1
25 i16 1 2
26 i32 1 4
27 i64 1 8
28 f64 1 8
29 iq1_m 256 56
30 bf16 1 2
34 tq1_0 256 54
35 tq2_0 256 66
39 mxfp4 32 17
40 nvfp4 64 36
41 q1_0 128 18`;

/** Tensor types by their number in GGUF files. */
export const ggmlTypes = new Map<number, TensorType>(
  ggmlTable
    .trim()
    .split("\n")
    .map((line) => {
      const [id = "", name = "", elements, bytes] = line.split(" ");
      return [Number(id), { name, elements: Number(elements), bytes: Number(bytes) }];
    }),
);

/** Types that GGUF files had once, and what has become of them. */
export const removedGgmlTypes = new Set([4, 5, 31, 32, 33, 36, 37, 38]);

const safetensorsTable = `
BOOL 1 1
U8 1 1
I8 1 1
F8_E5M2 1 1
F8_E4M3 1 1
F8_E8M0 1 1
F6_E2M3 4 3
F6_E3M2 4 3
F4 2 1
I16 1 2
U16 1 2
F16 1 2
BF16 1 2
I32 1 4
U32 1 4
F32 1 4
I64 1 8
U64 1 8
F64 1 8
C64 1 8`;

/** Tensor types by their name in safetensors files. */
export const safetensorsTypes = new Map<string, TensorType>(
  safetensorsTable
    .trim()
    .split("\n")
    .map((line) => {
      const [name = "", elements, bytes] = line.split(" ");
      return [name, { name: name.toLowerCase(), elements: Number(elements), bytes: Number(bytes) }];
    }),
);

/** Elements of a shape; undefined when a number cannot hold them exactly. */
export function elementsOf(shape: readonly number[]): number | undefined {
  let product = 1;
  for (const length of shape) {
    product *= length;
    if (!Number.isSafeInteger(product)) return undefined;
  }
  return product;
}

/** The first two tensors whose bytes overlap. */
export function findOverlap(tensors: readonly TensorInfo[]): [TensorInfo, TensorInfo] | undefined {
  const sorted = tensors.filter(({ bytes }) => bytes > 0).sort((a, b) => a.offset - b.offset);
  for (const [i, tensor] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next && tensor.offset + tensor.bytes > next.offset) return [tensor, next];
  }
  return undefined;
}

/** Adds a tensor to those of a reason. */
export function collect(map: Map<string, TensorInfo[]>, reason: string, tensor: TensorInfo): void {
  const tensors = map.get(reason);
  if (tensors) tensors.push(tensor);
  else map.set(reason, [tensor]);
}
