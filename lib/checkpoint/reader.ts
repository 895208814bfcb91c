import { ModelFileError } from "../errors.js";
import { Cursor } from "./cursor.js";
import { detectFormat } from "./format.js";
import { readGguf } from "./gguf.js";
import type { Header } from "./header.js";
import { openSource } from "./location.js";
import { readSafetensors } from "./safetensors.js";
import { checkWhole, isIndex, join, readIndex, siblings } from "./shards.js";
import type { ReadOptions, Source } from "./source.js";

/**
 * Reads the header of a GGUF or safetensors checkpoint, never its weights. Any part of a split checkpoint stands for all of them, and so does
 * the `.safetensors.index.json` of a sharded one.
 * @param location a path, or a URL: https, or http of this machine
 * @throws ModelFileError for a file that is missing, truncated or malformed, with the offset of the first fault
 * @throws DownloadError when a server does not answer as it should
 * @throws the signal's reason when it is aborted
 */
export async function readHeader(location: string, options: ReadOptions = {}): Promise<Header> {
  return (await readUnlessPickle(location, options)) ?? refusePickle(location);
}

/** The same, but undefined for a pickle of Python, whose tensors only Python can list. */
export async function readUnlessPickle(location: string, options: ReadOptions = {}): Promise<Header | undefined> {
  options.signal?.throwIfAborted();
  const index = isIndex(location) ? await readIndex(location, options) : undefined;
  const names = index?.locations ?? siblings(location);
  if (names.length === 1 && !index) {
    const header = await readPart(location, options);
    if (header) checkWhole(location, header);
    return header;
  }
  const headers: Header[] = [];
  for (const name of names) headers.push((await readPart(name, options)) ?? refusePickle(name));
  return join(location, headers, index);
}

async function readPart(location: string, options: ReadOptions): Promise<Header | undefined> {
  const source = await openSource(location, options);
  try {
    return await readSource(source, options.signal);
  } finally {
    await source.close();
  }
}

/** Reads the header of one file, which may be part of a split checkpoint; undefined for a pickle. */
export async function readSource(source: Source, signal?: AbortSignal): Promise<Header | undefined> {
  const { name: path, size: bytes } = source;
  const format = await detectFormat(source);
  if (format === "checkpoint") return undefined;
  const cursor = new Cursor(source, signal);
  const header = format === "gguf" ? await readGguf(cursor) : await readSafetensors(cursor);
  return { format, files: [{ path, bytes }], ...header };
}

function refusePickle(file: string): never {
  throw new ModelFileError(`${file} is a pickle of Python, whose tensors only Python can list; convert it to safetensors`, { file });
}
