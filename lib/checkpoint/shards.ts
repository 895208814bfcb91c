import { ModelFileError } from "../errors.js";
import { shown } from "./cursor.js";
import type { Header } from "./header.js";
import { beside, fileName, openSource } from "./location.js";
import type { ReadOptions } from "./source.js";
import { mostTensors } from "./tensors.js";

const mostShards = 1000;
const mostIndexBytes = 16 << 20;

/** All parts of a split checkpoint, of which `location` names one: "large-00002-of-00003.gguf". Anything else stands alone. */
export function siblings(location: string): string[] {
  const name = fileName(location);
  const [, stem = "", , total = "", ending = ""] = /^(.*)-(\d{5})-of-(\d{5})(\.(?:gguf|safetensors|sft))$/i.exec(name) ?? [];
  const count = Number(total);
  if (count < 2) return [location];
  if (count > mostShards) throw wrong(location, `would have ${count} parts, expected at most ${mostShards}`);
  const part = (i: number) => `${stem}-${String(i + 1).padStart(5, "0")}-of-${total}${ending}`;
  return Array.from({ length: count }, (_, i) => (part(i) === name ? location : beside(location, part(i))));
}

export function isIndex(location: string): boolean {
  return /\.safetensors\.index(\.\w+)?\.json$/i.test(fileName(location)); // ".index.fp16.json" is a variant's
}

/** Where an index says each tensor is. */
export interface ShardIndex {
  locations: string[];
  /** Names of files by tensor. */
  map: Map<string, string>;
}

/** @throws ModelFileError for an index that is malformed, or names a file of another folder */
export async function readIndex(location: string, options: ReadOptions): Promise<ShardIndex> {
  const source = await openSource(location, options);
  try {
    if (source.size > mostIndexBytes) throw wrong(location, `is larger than ${mostIndexBytes} bytes, too large for an index of shards`);
    const text = (await source.read(0, source.size)).toString();
    const map = new Map(Object.entries(parse(location, text)));
    const names = [...new Set(map.values())];
    if (map.size > mostTensors || names.length > mostShards)
      throw wrong(location, `names more than ${mostTensors} tensors or ${mostShards} files`);
    const odd = names.find((name) => typeof name !== "string" || !/^[^/\\:\0]+\.(safetensors|sft)$/i.test(name));
    if (odd !== undefined || names.length === 0)
      throw wrong(location, `should name .safetensors files beside it, but names ${JSON.stringify(odd ?? null)}`);
    return { locations: names.map((name) => beside(location, name)), map };
  } finally {
    await source.close();
  }
}

function parse(location: string, text: string): Record<string, string> {
  try {
    const { weight_map: map } = JSON.parse(text);
    if (typeof map === "object" && map !== null && !Array.isArray(map)) return map;
  } catch (error) {
    throw wrong(location, `is no valid JSON: ${(error as Error).message}`, error);
  }
  throw wrong(location, "has no weight_map, as an index of shards has");
}

/** One header of several; checks that they are all parts of the same checkpoint, and complete. */
export function join(location: string, headers: readonly Header[], index?: ShardIndex): Header {
  const [first] = headers as [Header];
  const tensors = headers.flatMap((header) => header.tensors);
  const files = headers.flatMap((header) => header.files);
  const names = new Map<string, string>();
  for (const { name, file } of tensors) {
    const other = names.get(name);
    if (other !== undefined) throw wrong(file, `has the tensor ${shown(name)}, and so has ${other}`);
    names.set(name, file);
  }
  for (const [i, header] of headers.entries()) {
    if (header.format !== first.format) throw wrong(location, "is split into files of different formats");
    if (header.format === "gguf") checkPart(header, i, headers.length);
  }
  const announced = Number(first.metadata["split.tensors.count"] ?? tensors.length);
  if (announced !== tensors.length) throw wrong(location, `should have ${announced} tensors in all parts, but has ${tensors.length}`);
  for (const [name, file] of index?.map ?? []) {
    if (names.get(name) !== beside(location, file))
      throw wrong(location, `says that ${file} has the tensor ${shown(name)}, but it has not`);
  }
  return { ...first, files, tensors };
}

/** A GGUF file knows which part of how many it is. */
function checkPart({ metadata, files }: Header, number: number, count: number): void {
  const { "split.no": no, "split.count": total } = metadata;
  const [file] = files;
  if (Number(no) !== number || Number(total) !== count) {
    const says = total === undefined ? "does not say so" : `says that it is part ${Number(no) + 1} of ${total}`;
    throw wrong(file?.path ?? "", `is named as part ${number + 1} of ${count}, but ${says}`);
  }
}

/** A part under a name of its own, whose siblings cannot be found. */
export function checkWhole(location: string, { metadata }: Header): void {
  const count = Number(metadata["split.count"] ?? 1);
  if (count > 1)
    throw wrong(location, `is one of ${count} parts; name it and them as published, …-00001-of-${String(count).padStart(5, "0")}.gguf`);
}

function wrong(file: string, what: string, cause?: unknown): ModelFileError {
  return new ModelFileError(`${file} ${what}`, { file, cause });
}
