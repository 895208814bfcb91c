import { open } from "node:fs/promises";

/** What the header of a GGUF file says; strings and numbers of its metadata only. */
export interface Header {
  metadata: Record<string, unknown>;
  /** ggml's number of the type, shape with the row first, offset in the data. */
  tensors: Map<string, { type: number; shape: number[]; offset: number }>;
  /** Where the data begins. */
  data: number;
}

const sizes: Record<number, number> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

export async function readHeader(file: string): Promise<Header> {
  const handle = await open(file);
  const { buffer } = await handle.read(Buffer.alloc(4 << 20), 0, 4 << 20, 0).finally(() => handle.close());
  if (buffer.toString("latin1", 0, 4) !== "GGUF") throw new Error(`${file} is no GGUF file`);
  let at = 8;
  const take = (bytes: number) => {
    at += bytes;
    return buffer.subarray(at - bytes, at);
  };
  const u32 = () => take(4).readUInt32LE();
  const u64 = () => Number(take(8).readBigUInt64LE());
  const text = () => take(u64()).toString();
  const value = (type: number): unknown => {
    if (type === 8) return text();
    if (type === 4) return u32();
    if (type !== 9) return take(sizes[type] ?? 0);
    const of = u32();
    return Array.from({ length: u64() }, () => value(of));
  };
  const counts = { tensors: u64(), metadata: u64() };
  const metadata = Object.fromEntries(Array.from({ length: counts.metadata }, () => [text(), value(u32())]));
  const tensors: Header["tensors"] = new Map();
  for (let i = 0; i < counts.tensors; i++) {
    const name = text();
    const shape = Array.from({ length: u32() }, u64);
    tensors.set(name, { shape, type: u32(), offset: u64() });
  }
  return { metadata, tensors, data: Math.ceil(at / 32) * 32 };
}
