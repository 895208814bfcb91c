import { type FileHandle, open, truncate, writeFile } from "node:fs/promises";
import { RandomBytes } from "./random.js";
import { randomBlocks, type Spread, type TensorType, tensorBytes, tensorTypes } from "./weights.js";

/** One tensor to write. `shape` is in ggml's order: the length of a row first. */
export interface TensorSpec extends Partial<Spread> {
  name: string;
  shape: number[];
  type: TensorType;
  /** Exact values by position (F32 only), instead of random ones. */
  value?: (index: number) => number;
}

/** Strings, booleans, whole numbers (uint32), other numbers (float32), bigints (uint64), and arrays of strings. */
export type Metadata = Record<string, string | boolean | number | bigint | string[]>;

export interface WriteOptions {
  metadata?: Metadata;
  /** Same seed and tensors, same bytes. */
  seed?: string;
  alignment?: number;
  /** Repeats 8 MiB of each type's random weights, for a file of the size of a real model: quick, and no two rows alike. */
  repeat?: boolean;
}

const version = 3;

/** Writes a GGUF file of random weights, tensor by tensor, so that a large one needs little memory. */
export async function writeGguf(file: string, tensors: readonly TensorSpec[], options: WriteOptions = {}): Promise<void> {
  const { metadata = {}, seed = "", alignment = 32, repeat = false } = options;
  const tiles: Tiles | undefined = repeat ? new Map() : undefined;
  const handle = await open(file, "w");
  try {
    const head = header(tensors, alignment === 32 ? metadata : { ...metadata, "general.alignment": alignment }, alignment);
    await handle.writeFile(padded(head, alignment));
    // A tensor's bytes depend on its own name, not on the tensors before it.
    for (const tensor of tensors) await writeTensor(handle, tensor, new RandomBytes(`${seed}/${tensor.name}`), alignment, tiles);
  } finally {
    await handle.close();
  }
}

/** The same file without its weights: a hole, so that one of the size of a real model takes no room on the disk. */
export async function writeSparseGguf(file: string, tensors: readonly TensorSpec[], metadata: Metadata = {}): Promise<void> {
  const head = padded(header(tensors, metadata, 32), 32);
  await writeFile(file, head);
  const sizes = tensors.map(({ type, shape }) => tensorBytes(type, shape));
  await truncate(
    file,
    sizes.reduce((end, bytes) => end + bytes + padding(bytes, 32), head.length),
  );
}

/** What is repeated: an odd number of blocks, so that it does not end with a row. */
type Tiles = Map<TensorType, Uint8Array>;

async function writeTensor(handle: FileHandle, tensor: TensorSpec, random: RandomBytes, alignment: number, tiles?: Tiles): Promise<void> {
  const { bytes } = tensorTypes[tensor.type];
  const total = tensorBytes(tensor.type, tensor.shape);
  const spread = { mean: tensor.mean ?? 0, std: tensor.std ?? 0.02 };
  if (tensor.value) {
    if (tensor.type !== "f32") throw new TypeError(`${tensor.name}: exact values are for f32`);
    const values = Float32Array.from({ length: total / bytes }, (_, index) => tensor.value?.(index) ?? 0);
    await handle.writeFile(new Uint8Array(values.buffer));
    await handle.writeFile(Buffer.alloc(padding(total, alignment)));
    return;
  }
  if (tiles && tensor.type !== "f32") {
    const blocks = Math.floor((8 << 20) / bytes) | 1;
    const tile = tiles.get(tensor.type) ?? randomBlocks(tensor.type, blocks, spread, random);
    tiles.set(tensor.type, tile);
    for (let left = total; left > 0; left -= tile.length) await handle.writeFile(tile.subarray(0, left));
    await handle.writeFile(Buffer.alloc(padding(total, alignment)));
    return;
  }
  const batch = Math.floor((4 << 20) / bytes);
  for (let left = total / bytes; left > 0; left -= batch) {
    await handle.writeFile(randomBlocks(tensor.type, Math.min(left, batch), spread, random));
  }
  await handle.writeFile(Buffer.alloc(padding(total, alignment)));
}

function header(tensors: readonly TensorSpec[], metadata: Metadata, alignment: number): Buffer {
  const entries = Object.entries(metadata);
  const parts = [Buffer.from("GGUF"), u32(version), u64(tensors.length), u64(entries.length)];
  for (const [key, value] of entries) parts.push(text(key), ...tagged(value));
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    parts.push(text(name), u32(shape.length), ...shape.map(u64), u32(tensorTypes[type].id), u64(offset));
    const bytes = tensorBytes(type, shape);
    offset += bytes + padding(bytes, alignment);
  }
  return Buffer.concat(parts);
}

/** A metadata value with the number of its type before it. */
function tagged(value: Metadata[string]): Buffer[] {
  if (typeof value === "string") return [u32(8), text(value)];
  if (typeof value === "boolean") return [u32(7), Buffer.from([value ? 1 : 0])];
  if (typeof value === "bigint") return [u32(10), u64(value)];
  if (Array.isArray(value)) return [u32(9), u32(8), u64(value.length), ...value.map(text)];
  if (Number.isInteger(value)) return [u32(4), u32(value)];
  const float = Buffer.alloc(4);
  float.writeFloatLE(value);
  return [u32(6), float];
}

function padding(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}

function padded(data: Buffer, alignment: number): Buffer {
  return Buffer.concat([data, Buffer.alloc(padding(data.length, alignment))]);
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function u64(value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
}
