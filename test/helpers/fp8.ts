import type { Stored } from "./stored.js";

/** Values of the 256 codes: e4m3 has no infinities, and all ones is no number; e5m2 is the upper half of a half float. */
function numberOf(code: number, type: Fp8): number {
  const [exponentBits, bias] = type === "e4m3" ? [4, 7] : [5, 15];
  const fractionBits = 7 - exponentBits;
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code & 0x7f) >> fractionBits;
  const fraction = (code & ((1 << fractionBits) - 1)) / (1 << fractionBits);
  if (type === "e4m3" && (code & 0x7f) === 0x7f) return Number.NaN;
  if (type === "e5m2" && exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + fraction) * 2 ** (exponent - bias) : fraction * 2 ** (1 - bias));
}

export type Fp8 = "e4m3" | "e5m2";

const largest: Record<Fp8, number> = { e4m3: 448, e5m2: 57_344 };

export interface Scaled {
  weight: Stored;
  scale: Stored;
  /** The same weight as half floats. */
  plain: Stored;
}

/** A matrix of half floats in fp8, with a factor for all of it or for each row; the factor that its largest number asks for, or `factor`. */
export function toFp8(tensor: Stored, type: Fp8, by: "tensor" | "row", factor?: number): Scaled {
  const codes = Array.from({ length: 128 }, (_, code) => numberOf(code, type)).filter(Number.isFinite);
  const [rows = 1] = tensor.shape;
  const count = tensor.data.length / 2;
  const values = Float64Array.from({ length: count }, (_, i) => fromHalf(tensor.data.readUInt16LE(2 * i)));
  const runs = by === "row" ? rows : 1;
  const weight = Buffer.alloc(count);
  const plain = Buffer.alloc(2 * count);
  const scales = Buffer.alloc(4 * runs);
  for (let run = 0; run < runs; run++) {
    const from = (count / runs) * run;
    const to = from + count / runs;
    const most = values.subarray(from, to).reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const scale = Math.fround(factor ?? most / largest[type]);
    scales.writeFloatLE(scale, 4 * run);
    for (let i = from; i < to; i++) {
      const value = values[i] ?? 0;
      const code = nearest(codes, Math.abs(value) / (scale || 1)) | (value < 0 ? 0x80 : 0);
      weight[i] = code;
      plain.writeUInt16LE(toHalf(Math.fround(Math.fround(numberOf(code, type)) * scale)), 2 * i);
    }
  }
  const layer = tensor.name.replace(/\.weight$/, "");
  return {
    weight: { ...tensor, dtype: `F8_${type.toUpperCase()}`, data: weight },
    scale: { name: `${layer}.weight_scale`, dtype: "F32", shape: by === "row" ? [rows, 1] : [], data: scales },
    plain: { ...tensor, data: plain },
  };
}

function nearest(codes: readonly number[], value: number): number {
  let [low, high] = [0, codes.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((codes[middle] ?? 0) <= value) low = middle;
    else high = middle;
  }
  return value - (codes[low] ?? 0) <= (codes[high] ?? 0) - value ? low : high;
}

export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
}

/** To the nearest, ties to even. */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65_520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude || 2 ** -24)));
  const unit = 2 ** (exponent - 10);
  let steps = magnitude / unit;
  const floor = Math.floor(steps);
  steps = steps - floor === 0.5 ? floor + (floor & 1) : Math.round(steps);
  return sign | (steps + (exponent + 14) * 1024);
}
