import { createHash, type Hash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import path from "node:path";
import { DownloadError } from "../errors.js";
import { inStore, type PartRecord, partPath, readPartRecord, removePart, sizeOf, syncFolder, writePartRecord } from "./store.js";

/**
 * An unfinished file. Bytes are only ever appended to `<file>.part`, and `<file>.part.json` says beforehand which file they belong to, so that
 * whatever ends the process leaves a beginning of that file.
 */
export class Part {
  readonly #target: string;
  #handle: FileHandle | undefined;
  #hash: Hash = createHash("sha256");
  /** Bytes that are there. */
  position = 0;
  record: PartRecord = {};

  /** @param target the path of the file that is to be */
  constructor(target: string) {
    this.#target = target;
  }

  /** Takes what an earlier pull has left, if `isUsable` says so for its size and record; else removes it. Reads it all for the checksum. */
  async read(isUsable: (size: number, record: PartRecord | undefined) => boolean, reading: Reading): Promise<void> {
    const size = (await sizeOf(partPath(this.#target))) ?? 0;
    if (size === 0) return;
    const record = await readPartRecord(this.#target);
    if (!isUsable(size, record)) return removePart(this.#target);
    await hashFile(partPath(this.#target), this.#hash, size, reading);
    this.position = size;
    this.record = record ?? {};
  }

  /** Notes what the bytes to come belong to. */
  async begin(record: PartRecord): Promise<void> {
    this.record = record;
    await writePartRecord(this.#target, record);
  }

  async append(chunk: Buffer): Promise<void> {
    const handle = await this.#open();
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await inStore(this.#target, handle.write(chunk, at, chunk.length - at, this.position + at));
      at += bytesWritten;
    }
    this.#hash.update(chunk);
    this.position += chunk.length;
  }

  /** Forgets all bytes; first the bytes, then what they were. */
  async clear(): Promise<void> {
    await inStore(this.#target, (await this.#open()).truncate(0));
    this.position = 0;
    this.#hash = createHash("sha256");
    this.record = {};
  }

  sha256(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Makes sure that all bytes have reached the disk. */
  async sync(): Promise<void> {
    await inStore(this.#target, (await this.#open()).sync());
    await this.close(); // Windows renames no open file
  }

  /** Gives the file its name. */
  async rename(): Promise<void> {
    await inStore(this.#target, rename(partPath(this.#target), this.#target));
    await syncFolder(path.dirname(this.#target));
    await removePart(this.#target);
  }

  async remove(): Promise<void> {
    await this.close();
    await removePart(this.#target);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #open(): Promise<FileHandle> {
    this.#handle ??= await inStore(this.#target, open(partPath(this.#target), constants.O_RDWR | constants.O_CREAT));
    return this.#handle;
  }
}

export interface Reading {
  signal: AbortSignal;
  onProgress: (bytes: number) => void;
}

/** Adds the first `size` bytes of a file to the hash. */
export async function hashFile(file: string, hash: Hash, size: number, { signal, onProgress }: Reading): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(file, { end: size - 1, highWaterMark: 1 << 20, signal })) {
      hash.update(chunk);
      bytes += chunk.length;
      onProgress(bytes);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new DownloadError(`Cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
  if (bytes !== size) throw new DownloadError(`${file} has become shorter while it was read. Pull again.`);
}
