import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { packageFolders } from "../engine/package.js";
import { ModelFileError } from "../errors.js";
import { cacheHome } from "./home.js";

export interface DemoFiles {
  diffusionModel: string;
  clipL: string;
  taesd: string;
}

export interface DemoOptions {
  /** Stops the unpacking; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Where the packed files and `demo.json` lie. Default: `models/demo` of the package. */
  source?: string;
}

/** One file of `models/demo/demo.json`: `bytes` and `sha256` are those of the unpacked file. */
interface PackedFile {
  role: keyof DemoFiles;
  file: string;
  bytes: number;
  sha256: string;
}

/** The demo checkpoint's files, unpacked into the cache folder on first use. */
export async function demoFiles(options: DemoOptions = {}): Promise<DemoFiles> {
  const { signal, source = packageFolders().demo } = options;
  signal?.throwIfAborted();
  const folder = path.join(cacheHome(), "demo");
  const paths: Partial<DemoFiles> = {};
  for (const packed of await readManifest(source)) {
    // The checksum in the name keeps the files of two package versions apart.
    const target = path.join(folder, `${packed.sha256.slice(0, 12)}-${path.basename(packed.file, ".br")}`);
    if (!(await hasSize(target, packed.bytes))) await unpack(path.join(source, packed.file), target, packed, signal);
    paths[packed.role] = target;
  }
  return paths as DemoFiles;
}

async function readManifest(source: string): Promise<PackedFile[]> {
  const file = path.join(source, "demo.json");
  try {
    return (JSON.parse(await readFile(file, "utf8")) as { files: PackedFile[] }).files;
  } catch (error) {
    throw damagedPackage(file, error);
  }
}

/** A size is all that is checked later: the checksum was verified before the file got its name. */
async function hasSize(file: string, bytes: number): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() === true && found.size === bytes;
}

async function unpack(from: string, target: string, packed: PackedFile, signal: AbortSignal | undefined): Promise<void> {
  const folder = path.dirname(target);
  // In the same folder, so that the rename is atomic; unique, so that two processes never write one file.
  const temporary = `${target}.${process.pid}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await inCache(folder, mkdir(folder, { recursive: true }));
    await write(from, temporary, packed, signal);
    signal?.throwIfAborted();
    await inCache(folder, replace(temporary, target, packed.bytes));
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Decompresses into `temporary`, checking size and checksum of what was written. */
async function write(from: string, temporary: string, packed: PackedFile, signal: AbortSignal | undefined): Promise<void> {
  const folder = path.dirname(temporary);
  const output = await inCache(folder, open(temporary, "wx"));
  try {
    const hash = createHash("sha256");
    let bytes = 0;
    const save = async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        if (bytes > packed.bytes) throw damagedPackage(from); // At once, so that a damaged file can never fill the disk.
        hash.update(chunk);
        await inCache(folder, output.writeFile(chunk));
      }
    };
    await pipeline(createReadStream(from), createBrotliDecompress({ chunkSize: 1 << 20 }), save, { signal });
    if (bytes !== packed.bytes || hash.digest("hex") !== packed.sha256) throw damagedPackage(from);
    await inCache(folder, output.sync());
  } catch (error) {
    signal?.throwIfAborted(); // The signal's own reason instead of pipeline's AbortError.
    throw error instanceof ModelFileError ? error : damagedPackage(from, error);
  } finally {
    await output.close();
  }
}

/** On Windows a file that another process has open cannot be replaced; if that one is good, it will do. */
async function replace(temporary: string, target: string, bytes: number): Promise<void> {
  try {
    await rename(temporary, target);
  } catch (error) {
    if (!(await hasSize(target, bytes))) throw error;
  }
}

async function inCache<T>(folder: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw unwritable(folder, error);
  }
}

function unwritable(folder: string, cause: unknown): ModelFileError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ModelFileError(
    `Cannot unpack the demo model into the cache folder ${folder}: ${reason}. Make it writable, or set SDCPP_HOME to another folder.`,
    { cause },
  );
}

function damagedPackage(file: string, cause?: unknown): ModelFileError {
  const reason = cause instanceof Error ? `cannot be read (${cause.message})` : "does not have the expected content";
  return new ModelFileError(`A file of the demo model ${reason}: ${file}. Reinstall node-sd-cpp.`, { cause });
}
