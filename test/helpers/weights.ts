import type { RandomBytes } from "./random.js";

/** The tensor types the helpers write: number in the file, elements and bytes of a block. */
export const tensorTypes = {
  f32: { id: 0, elements: 1, bytes: 4 },
  f16: { id: 1, elements: 1, bytes: 2 },
  q4_0: { id: 2, elements: 32, bytes: 18 },
  q8_0: { id: 8, elements: 32, bytes: 34 },
  q4_k: { id: 12, elements: 256, bytes: 144 },
  bf16: { id: 30, elements: 1, bytes: 2 },
} as const;

export type TensorType = keyof typeof tensorTypes;

/** How a tensor's values are spread: uniformly, with this mean and standard deviation. */
export interface Spread {
  mean: number;
  std: number;
}

/** Bytes of a tensor; throws when its rows are not whole blocks. */
export function tensorBytes(type: TensorType, shape: readonly number[]): number {
  const { elements, bytes } = tensorTypes[type];
  const [row = 1, ...rest] = shape;
  if (row % elements !== 0) throw new RangeError(`a row of ${row} elements is not a whole number of ${type} blocks`);
  return rest.reduce((product, n) => product * n, row / elements) * bytes;
}

/** Fills `blocks` blocks with valid random values. Quantized types ignore the mean. */
export function randomBlocks(type: TensorType, blocks: number, spread: Spread, random: RandomBytes): Uint8Array {
  switch (type) {
    case "f32":
    case "f16":
    case "bf16":
      return randomScalars(type, blocks, spread, random);
    case "q8_0":
      return randomSimple(random.next(blocks * 34), 34, spread.std / 73.6); // 73.6 = deviation of a random int8
    case "q4_0":
      return randomSimple(random.next(blocks * 18), 18, spread.std / 4.63); // 4.63 = that of -8..7, with its mean of -0.5
    case "q4_k":
      return randomQ4K(random.next(blocks * 144), spread.std);
  }
}

const levels = 4096;

/** Picks from a table of evenly spaced values, so that the cost of rounding to half precision is paid only once a tensor. */
function randomScalars(type: "f32" | "f16" | "bf16", count: number, spread: Spread, random: RandomBytes): Uint8Array {
  const { bytes } = tensorTypes[type];
  const table = new DataView(new ArrayBuffer(levels * 4));
  for (let i = 0; i < levels; i++) {
    const value = spread.mean + spread.std * Math.sqrt(12) * ((i + 0.5) / levels - 0.5);
    if (type === "f32") table.setFloat32(i * 4, value, true);
    else table.setUint16(i * 4, type === "f16" ? halfBits(value) : bfloatBits(value), true);
  }
  const choice = random.next(count * 2);
  const out = new Uint8Array(count * bytes);
  const view = new DataView(out.buffer);
  for (let i = 0; i < count; i++) {
    const level = (choice.readUInt16LE(i * 2) % levels) * 4;
    if (bytes === 4) view.setUint32(i * 4, table.getUint32(level, true), true);
    else view.setUint16(i * 2, table.getUint16(level, true), true);
  }
  return out;
}

/** Q8_0 and Q4_0: a half-precision scale, then the quants. A random sign of the scale makes the mean zero. */
function randomSimple(data: Buffer, blockBytes: number, scale: number): Uint8Array {
  const bits = halfBits(scale);
  for (let at = 0; at < data.length; at += blockBytes) {
    const sign = data.readUInt8(at + 1) & 0x80;
    data.writeUInt16LE(bits | (sign << 8), at);
  }
  return data;
}

/** Q4_K: value = d·scale·q − dmin·min, with q 0 to 15 and eight 6-bit scales and mins. Here min = scale and dmin = 7.5 d, so the mean is zero. */
function randomQ4K(data: Buffer, std: number): Uint8Array {
  const d = std / (4.61 * 40); // 4.61 = deviation of 0..15; 40 = root mean square of the scales
  const dBits = halfBits(d);
  const dminBits = halfBits(7.5 * d);
  const scale = (at: number) => 16 + (data.readUInt8(at) % 48);
  for (let at = 0; at < data.length; at += 144) {
    data.writeUInt16LE(dBits, at);
    data.writeUInt16LE(dminBits, at + 2);
    for (let i = 0; i < 4; i++) {
      const low = scale(at + 4 + i);
      const high = scale(at + 8 + i);
      data[at + 4 + i] = low | ((high >> 4) << 6);
      data[at + 8 + i] = low | ((high >> 4) << 6);
      data[at + 12 + i] = (high & 15) | ((high & 15) << 4);
    }
  }
  return data;
}

const scratch = new DataView(new ArrayBuffer(4));

/** The 16 bits of a number in half precision, rounded to nearest. Too large becomes infinity. */
export function halfBits(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(Math.fround(value));
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | Math.round(magnitude * 2 ** 24); // subnormal
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15;
  return sign | ((exponent << 10) + Math.round((bits & 0x7fffff) / 8192)); // a carry moves into the exponent, as it should
}

function bfloatBits(value: number): number {
  scratch.setFloat32(0, value);
  return ((scratch.getUint32(0) + 0x8000) >>> 16) & 0xffff;
}
