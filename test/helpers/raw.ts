/** Headers byte by byte, for files that no proper writer would write. */

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

export function u64(value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

export function text(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([u64(bytes.length), bytes]);
}

export interface RawTensor {
  name: string | Uint8Array;
  /** Row first. */
  shape: (number | bigint)[];
  /** ggml's number. */
  type: number;
  /** From the beginning of the data. */
  offset: number | bigint;
}

export interface RawGguf {
  magic?: string;
  version?: number;
  /** By default as many as there are. */
  tensorCount?: number | bigint;
  metadataCount?: number | bigint;
  /** Key, and then the number of the type and the value in one. */
  metadata?: [string | Uint8Array, Buffer][];
  tensors?: RawTensor[];
  alignment?: number;
  /** Bytes behind the header. */
  data?: number;
}

export function rawGguf(parts: RawGguf = {}): Buffer {
  const { magic = "GGUF", version = 3, metadata = [], tensors = [], alignment = 32, data = 0 } = parts;
  const { tensorCount = tensors.length, metadataCount = metadata.length } = parts;
  const header = Buffer.concat([
    Buffer.from(magic),
    u32(version),
    u64(tensorCount),
    u64(metadataCount),
    ...metadata.flatMap(([key, value]) => [text(key), value]),
    ...tensors.flatMap(({ name, shape, type, offset }) => [text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset)]),
  ]);
  const padding = data ? (alignment - (header.length % alignment)) % alignment : 0;
  return Buffer.concat([header, Buffer.alloc(padding + data)]);
}

/** Values of GGUF metadata, with the number of their type before them. */
export const tagged = {
  u16: (value: number) => Buffer.concat([u32(2), Buffer.from([value & 255, value >> 8])]),
  u32: (value: number) => Buffer.concat([u32(4), u32(value)]),
  i32: (value: number) => Buffer.concat([u32(5), u32(value)]),
  text: (value: string) => Buffer.concat([u32(8), text(value)]),
  array: (type: number, values: Buffer[], length: number | bigint = values.length) =>
    Buffer.concat([u32(9), u32(type), u64(length), ...values]),
};

/** A safetensors file around a header, given as text or as what JSON makes of it. */
export function rawSafetensors(header: unknown, data = 0, length?: number | bigint): Buffer {
  const bytes = Buffer.isBuffer(header) ? header : Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  return Buffer.concat([u64(length ?? bytes.length), bytes, Buffer.alloc(data)]);
}
