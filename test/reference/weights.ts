import { open } from "node:fs/promises";
import { rawSafetensors } from "../helpers/raw.js";

/** Weights that depend on their tensor's name alone, and come out equal here and in weights.py. */

/** One tensor. */
export interface Weights {
  name: string;
  /** In torch's order: rows first. */
  shape: number[];
  /** Uniform between mean ± √3·std; std 0 gives the mean. */
  mean: number;
  std: number;
  /** Stored in half precision; the values are such either way. */
  half: boolean;
  /** Spread nearly as a normal distribution instead (the sum of four uniform ones). Default: false. */
  bell?: boolean;
}

const levels = 4096;

/** FNV-1a over UTF-8. */
function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

/** The nearest number in half precision (of normal range and zero), ties to even. */
function half(value: number): number {
  if (value === 0) return 0;
  const quantum = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), -14) - 10);
  const units = value / quantum;
  const below = Math.floor(units);
  const up = units - below > 0.5 || (units - below === 0.5 && below % 2 !== 0);
  return (up ? below + 1 : below) * quantum;
}

/** The 16 bits of a number that is one in half precision. */
function halfBits(value: number): number {
  const magnitude = Math.abs(value);
  const sign = value < 0 ? 0x8000 : 0;
  if (magnitude < 2 ** -14) return sign | (magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  return sign | ((exponent + 15) << 10) | ((magnitude / 2 ** exponent - 1) * 1024);
}

/** The tensor's bytes: of 4096 values that are evenly spaced, a hash of the position chooses one. The mixer's constants are lowbias32's. */
function expand({ name, shape, mean, std, half: stored, bell }: Weights): Uint8Array {
  const count = shape.reduce((product, length) => product * length, 1);
  const spread = (level: number) => (bell ? (level - 510) / 147.8 : Math.sqrt(3) * ((level + 0.5) / (levels / 2) - 1)); // 147.8: deviation of four bytes' sum
  const values = Array.from({ length: levels }, (_, level) => half(mean + std * spread(level)));
  const table = stored ? Uint16Array.from(values, halfBits) : Float32Array.from(values);
  const out = stored ? new Uint16Array(count) : new Float32Array(count);
  const seed = seedOf(name);
  for (let i = 0; i < count; i++) {
    let hash = Math.imul(i, 0x9e3779b1) ^ seed;
    hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
    hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
    hash ^= hash >>> 16;
    const level = bell ? (hash & 255) + ((hash >>> 8) & 255) + ((hash >>> 16) & 255) + (hash >>> 24) : hash & (levels - 1);
    out[i] = table[level] as number;
  }
  return new Uint8Array(out.buffer);
}

/** Writes a safetensors file, tensor by tensor. */
export async function writeWeights(file: string, tensors: readonly Weights[]): Promise<void> {
  let end = 0;
  const entries = tensors.map(({ name, shape, half: stored }) => {
    const begin = end;
    end += shape.reduce((product, length) => product * length, stored ? 2 : 4);
    return [name, { dtype: stored ? "F16" : "F32", shape, data_offsets: [begin, end] }] as const;
  });
  const handle = await open(file, "w");
  try {
    await handle.writeFile(rawSafetensors(Object.fromEntries(entries)));
    for (const tensor of tensors) await handle.writeFile(expand(tensor));
  } finally {
    await handle.close();
  }
}
