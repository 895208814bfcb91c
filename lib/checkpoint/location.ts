import path from "node:path";
import { parseUrl, RemoteSource } from "./remote.js";
import { FileSource, type ReadOptions, type Source } from "./source.js";

/** Checkpoints are named by a path or by a URL; the functions here treat both alike. */
export function isUrl(location: string): boolean {
  return /^https?:\/\//i.test(location);
}

/** The file's name without folders, query or fragment. */
export function fileName(location: string): string {
  if (!isUrl(location)) return path.basename(location);
  const name = path.posix.basename(parseUrl(location).pathname);
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // a lone % sign
  }
}

/** Another file of the same folder. */
export function beside(location: string, name: string): string {
  if (!isUrl(location)) return path.join(path.dirname(location), name);
  const url = parseUrl(location);
  url.pathname = path.posix.join(path.posix.dirname(url.pathname), encodeURIComponent(name));
  return url.href;
}

export async function openSource(location: string, options: ReadOptions = {}): Promise<Source> {
  const other = options.open?.(location);
  if (other) return other;
  return isUrl(location) ? RemoteSource.open(location, options) : FileSource.open(location);
}
