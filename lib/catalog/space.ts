import { statfs } from "node:fs/promises";
import path from "node:path";
import { DownloadError, formatBytes } from "../errors.js";
import type { StoredFile } from "./store.js";

/** Left free, for records and for what else is being written. */
const reserve = 64e6;

/**
 * @param folder may not exist yet
 * @throws DownloadError when the disk has no room for what is still missing
 */
export async function requireSpace(folder: string, files: StoredFile[]): Promise<void> {
  const missing = files.reduce(
    (sum, { state, bytes, bytesOnDisk }) => sum + (state === "complete" ? 0 : Math.max(0, bytes - bytesOnDisk)),
    0,
  );
  const free = await freeSpace(folder);
  if (missing === 0 || free === undefined || missing + reserve <= free) return;
  throw new DownloadError(
    `Not enough room in ${folder}: ${formatBytes(missing + reserve)} are still needed, ${formatBytes(free)} are free. Make room, or set SDCPP_HOME to a folder on another disk.`,
  );
}

/** Bytes that may be written; undefined where the system does not tell. */
async function freeSpace(folder: string): Promise<number | undefined> {
  for (let place = path.resolve(folder); ; place = path.dirname(place)) {
    try {
      const { bavail, bsize, blocks } = await statfs(place);
      return blocks > 0 ? bavail * bsize : undefined;
    } catch {
      if (place === path.dirname(place)) return undefined;
    }
  }
}
