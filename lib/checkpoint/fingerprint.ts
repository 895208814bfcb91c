import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { ModelFiles } from "../types/index.js";

const headBytes = 65_536;
const sampleBytes = 4096;
const samples = 256;

/**
 * Ten hex digits that tell checkpoints apart in milliseconds, where a checksum of 8 GB takes seconds: SHA-256 of the size, the first 64 KiB
 * and 256 evenly spaced blocks of 4 KiB. Files of up to 1 MiB are read as a whole. It notices another model, quantization or finetune; a
 * few changed bytes in a large file it may miss.
 */
export async function fingerprint(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const hash = createHash("sha256").update(`${size}\n`);
    const add = async (length: number, position: number) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
      hash.update(buffer.subarray(0, bytesRead));
    };
    if (size <= samples * sampleBytes) await add(size, 0);
    else {
      await add(headBytes, 0);
      for (let i = 1; i <= samples; i++) await add(sampleBytes, Math.floor(((size - sampleBytes) * i) / samples));
    }
    return hash.digest("hex").slice(0, 10);
  } finally {
    await handle.close();
  }
}

/** The fingerprint of each checkpoint by its option's name; of one in several files, that of their fingerprints. */
export async function fingerprints(
  files: ModelFiles,
  split: ReadonlyMap<string, readonly string[]> = new Map(),
): Promise<Record<string, string>> {
  const entries = Object.entries(files).filter(([, file]) => file);
  return Object.fromEntries(await Promise.all(entries.map(async ([option, file]) => [option, await ofAll(split.get(file) ?? [file])])));
}

async function ofAll(files: readonly string[]): Promise<string> {
  const [first = "", ...others] = await Promise.all(files.map(fingerprint));
  if (others.length === 0) return first;
  return createHash("sha256")
    .update([first, ...others].join("\n"))
    .digest("hex")
    .slice(0, 10);
}
