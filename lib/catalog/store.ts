import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { DownloadError } from "../errors.js";
import type { FileState } from "../types/index.js";
import type { CatalogFile } from "./entries.js";
import { cacheHome } from "./home.js";

/** What is known of a file that was checked, in `<file>.pulled.json` beside it. */
export interface PulledRecord {
  bytes: number;
  sha256: string;
  url: string;
  /** The repository's commit, where the hub told it. */
  commit?: string;
  /** ISO 8601. */
  pulled: string;
}

/** What an unfinished file is a part of, in `<file>.part.json` beside `<file>.part`. */
export interface PartRecord {
  etag?: string;
  bytes?: number;
  sha256?: string;
  commit?: string;
}

export interface StoredFile {
  state: FileState;
  /** Where it is, or would be. */
  path: string;
  /** Size of the whole file; rounded where neither the catalog nor an earlier answer of the hub told it. */
  bytes: number;
  bytesOnDisk: number;
}

export const partPath = (file: string) => `${file}.part`;
const recordPath = (file: string) => `${file}.pulled.json`;
const temporaryPath = (file: string, unique?: Buffer) => `${file}${unique ? `.${unique.toString("hex")}` : ""}.tmp`;
const partRecordPath = (file: string) => `${file}.part.json`;

/** Folder of the pulled models; below it a folder for each repository, so that models share their parts. */
export function modelsFolder(): string {
  return path.join(cacheHome(), "models");
}

export function repositoryFolder(repo: string): string {
  return path.join(modelsFolder(), ...repo.split("/"));
}

export function storedPath(file: CatalogFile): string {
  return path.join(repositoryFolder(file.repo), ...file.path.split("/"));
}

/** What is on disk of a file. A size is all that is compared: the checksum was verified before the file got its name. */
export async function storedFile(file: CatalogFile): Promise<StoredFile> {
  const target = storedPath(file);
  const record = await readPulledRecord(target);
  const size = await sizeOf(target);
  if (record && size === record.bytes && (!file.sha256 || file.sha256 === record.sha256)) {
    return { state: "complete", path: target, bytes: size, bytesOnDisk: size };
  }
  const [part, partRecord] = await Promise.all([sizeOf(partPath(target)), readPartRecord(target)]);
  const bytes = file.bytes ?? partRecord?.bytes ?? file.about ?? 0;
  return { state: part ? "partial" : "absent", path: target, bytes, bytesOnDisk: part ?? 0 };
}

/** The size of a regular file. */
export async function sizeOf(file: string): Promise<number | undefined> {
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}

export function readPulledRecord(file: string): Promise<PulledRecord | undefined> {
  return readRecord<PulledRecord>(recordPath(file));
}

/** Whoever writes records holds the file's lock. */
export function writePulledRecord(file: string, record: PulledRecord): Promise<void> {
  return writeAtomically(recordPath(file), `${JSON.stringify(record, undefined, 2)}\n`, temporaryPath(recordPath(file)));
}

export function readPartRecord(file: string): Promise<PartRecord | undefined> {
  return readRecord<PartRecord>(partRecordPath(file));
}

export function writePartRecord(file: string, record: PartRecord): Promise<void> {
  return writeAtomically(partRecordPath(file), JSON.stringify(record), temporaryPath(partRecordPath(file)));
}

export async function hasPart(file: string): Promise<boolean> {
  return (await sizeOf(partPath(file))) !== undefined || (await sizeOf(partRecordPath(file))) !== undefined;
}

export async function removePart(file: string): Promise<void> {
  const parts = [partPath(file), partRecordPath(file), temporaryPath(partRecordPath(file))];
  await inStore(file, Promise.all(parts.map((part) => rm(part, { force: true }))));
}

/** A record that is missing or damaged says nothing. */
async function readRecord<T>(file: string): Promise<T | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(file, "utf8"));
    return typeof record === "object" && record !== null ? (record as T) : undefined;
  } catch {
    return undefined;
  }
}

/** The old content or the new one, also after a loss of power. By default two processes may write the same file at once. */
export async function writeAtomically(file: string, text: string, temporary = temporaryPath(file, randomBytes(6))): Promise<void> {
  try {
    await inStore(file, mkdir(path.dirname(file), { recursive: true }));
    const handle = await inStore(file, open(temporary, "w"));
    try {
      await inStore(file, handle.writeFile(text));
      await inStore(file, handle.sync());
    } finally {
      await handle.close();
    }
    await inStore(file, rename(temporary, file));
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Makes a rename last through a loss of power. Windows cannot open folders, and needs no such thing. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await inStore(folder, open(folder));
  try {
    await inStore(folder, handle.sync());
  } finally {
    await handle.close();
  }
}

/** Failures of the disk as DownloadError. */
export async function inStore<T>(file: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const advice =
      code === "ENOSPC" || code === "EDQUOT"
        ? "The disk is full: make room, or set SDCPP_HOME to a folder on another disk, and pull again; what is there is kept."
        : "Make the folder writable, or set SDCPP_HOME to another one.";
    throw new DownloadError(`Cannot write ${file}: ${message}. ${advice}`, { cause: error });
  }
}
