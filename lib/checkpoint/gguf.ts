import { type Cursor, shown } from "./cursor.js";
import { elementsOf, findOverlap, ggmlTypes, mostTensors, removedGgmlTypes, type TensorInfo } from "./tensors.js";

// The npm package @huggingface/gguf reads such headers too. It is made for trusted files: it accepts duplicate names, tensors that overlap or
// lie outside of the file, unknown types and broken UTF-8, its errors have no byte offset, a file that ends early reads as zeros or as a plain
// RangeError, and a server that ignores Range is downloaded as a whole.

const mostMetadata = 65_536;
const mostNameBytes = 1024;
const mostKeyBytes = 65_535;
const mostDimensions = 8; // ggml has 4; published video models have 5
const mostLength = 2 ** 40;
const mostAlignment = 2 ** 20;
/** Longer arrays, such as a vocabulary, are not kept. */
const keptElements = 1024;

/** What stands in the metadata for an array that was too long to keep. */
export interface LongArray {
  elements: string;
  length: number;
}

export interface GgufHeader {
  version: number;
  metadata: Record<string, unknown>;
  tensors: TensorInfo[];
}

/**
 * Reads a GGUF header of version 2 or 3, from its first byte.
 * @throws ModelFileError with the offset of the first fault
 */
export async function readGguf(cursor: Cursor): Promise<GgufHeader> {
  cursor.position = 4;
  const version = await readVersion(cursor);
  const tensorCount = await cursor.u64("the number of tensors", mostTensors);
  const metadataCount = await cursor.u64("the number of metadata entries", mostMetadata);
  const { metadata, alignment } = await readMetadata(cursor, metadataCount);
  const tensors = await readTensors(cursor, tensorCount, alignment);
  const overlap = findOverlap(tensors);
  if (overlap) cursor.fail(`the tensors ${shown(overlap[0].name)} and ${shown(overlap[1].name)} overlap`, overlap[1].offset);
  return { version, metadata, tensors };
}

async function readVersion(cursor: Cursor): Promise<number> {
  const version = await cursor.u32("the version");
  if ((version & 0xffff) === 0 && version !== 0) {
    cursor.fail("it is a big-endian GGUF file; only little-endian ones are read. Convert it on its machine, or download another copy", 4);
  }
  if (version === 1) cursor.fail("GGUF version 1 is outdated; convert it to version 3", 4);
  if (version !== 2 && version !== 3) cursor.fail(`the GGUF version is ${version}, expected 2 or 3`, 4);
  return version;
}

async function readMetadata(cursor: Cursor, count: number): Promise<{ metadata: Record<string, unknown>; alignment: number }> {
  const entries = new Map<string, unknown>();
  let alignment = 32;
  for (let i = 0; i < count; i++) {
    const start = cursor.position;
    const key = await cursor.text(`metadata key ${i + 1} of ${count}`, mostKeyBytes);
    if (entries.has(key)) cursor.fail(`the metadata key ${shown(key)} appears twice`, start);
    const at = cursor.position;
    const type = await cursor.u32(`the type of ${shown(key)}`);
    const value = type === 9 ? await readArray(cursor, key) : await readValue(cursor, type, key, at);
    if (key === "general.alignment") {
      const isPower = type === 4 && typeof value === "number" && value > 0 && (value & (value - 1)) === 0;
      if (!isPower || value > mostAlignment) cursor.fail("general.alignment must be a 32-bit power of two of at most 1 MiB", at);
      alignment = value;
    }
    entries.set(key, value);
  }
  return { metadata: Object.fromEntries(entries), alignment };
}

const scalars: Record<number, { name: string; bytes: number; read: (data: Buffer) => unknown }> = {
  0: { name: "uint8", bytes: 1, read: (data) => data.readUInt8() },
  1: { name: "int8", bytes: 1, read: (data) => data.readInt8() },
  2: { name: "uint16", bytes: 2, read: (data) => data.readUInt16LE() },
  3: { name: "int16", bytes: 2, read: (data) => data.readInt16LE() },
  4: { name: "uint32", bytes: 4, read: (data) => data.readUInt32LE() },
  5: { name: "int32", bytes: 4, read: (data) => data.readInt32LE() },
  6: { name: "float32", bytes: 4, read: (data) => data.readFloatLE() },
  7: { name: "bool", bytes: 1, read: (data) => data.readUInt8() === 1 },
  10: { name: "uint64", bytes: 8, read: (data) => data.readBigUInt64LE() },
  11: { name: "int64", bytes: 8, read: (data) => data.readBigInt64LE() },
  12: { name: "float64", bytes: 8, read: (data) => data.readDoubleLE() },
};

async function readValue(cursor: Cursor, type: number, key: string, typeAt: number): Promise<unknown> {
  if (type === 8) return cursor.text(`the value of ${shown(key)}`, cursor.source.headerLimit);
  const scalar = scalars[type];
  if (!scalar) return cursor.fail(`the metadata ${shown(key)} has the unknown type ${type}`, typeAt);
  const data = await cursor.bytes(scalar.bytes, `the value of ${shown(key)}`);
  if (type === 7 && data.readUInt8() > 1) cursor.fail(`the boolean ${shown(key)} is neither 0 nor 1`, cursor.position - 1);
  return scalar.read(data);
}

async function readArray(cursor: Cursor, key: string): Promise<unknown[] | LongArray> {
  const at = cursor.position;
  const type = await cursor.u32(`the element type of ${shown(key)}`);
  const scalar = scalars[type];
  if (!scalar && type !== 8) cursor.fail(`the array ${shown(key)} has elements of the impossible type ${type}`, at);
  const elementBytes = scalar?.bytes ?? 8; // a string has at least its length
  const mostBytes = cursor.source.headerLimit;
  const length = await cursor.u64(`the length of ${shown(key)}`, Math.floor(mostBytes / elementBytes));
  if (length > keptElements) {
    if (scalar) cursor.skip(length * scalar.bytes, shown(key));
    else await cursor.skipTexts(length, shown(key));
    return { elements: scalar?.name ?? "string", length };
  }
  const values: unknown[] = [];
  for (let i = 0; i < length; i++) values.push(await readValue(cursor, type, key, at));
  return values;
}

async function readTensors(cursor: Cursor, count: number, alignment: number): Promise<TensorInfo[]> {
  const tensors: TensorInfo[] = [];
  const places: number[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const start = cursor.position;
    const { tensor, offsetAt } = await readTensor(cursor, `tensor ${i + 1} of ${count}`);
    if (names.has(tensor.name)) cursor.fail(`the tensor name ${shown(tensor.name)} appears twice`, start);
    if (tensor.offset % alignment) {
      cursor.fail(`the data of ${shown(tensor.name)} begins at ${tensor.offset}, which is no multiple of ${alignment}`, offsetAt);
    }
    names.add(tensor.name);
    tensors.push(tensor);
    places.push(offsetAt);
  }
  // Offsets count from the end of the header, which is known only now.
  const data = Math.ceil(cursor.position / alignment) * alignment;
  for (const [i, tensor] of tensors.entries()) {
    tensor.offset += data;
    const end = tensor.offset + tensor.bytes;
    if (!Number.isSafeInteger(end)) cursor.fail(`the data of ${shown(tensor.name)} lies outside of any file`, places[i]);
    if (end > cursor.source.size) {
      cursor.truncated(`the data of ${shown(tensor.name)} would end at byte ${end}, but the file has ${cursor.source.size} bytes`);
    }
  }
  return tensors;
}

async function readTensor(cursor: Cursor, what: string): Promise<{ tensor: TensorInfo; offsetAt: number }> {
  const start = cursor.position;
  const name = await cursor.text(`the name of ${what}`, mostNameBytes);
  if (name === "" || name.includes("\0")) cursor.fail(`the name of ${what} is empty or has a zero byte`, start);
  const countAt = cursor.position;
  const dimensions = await cursor.u32(`the number of dimensions of ${shown(name)}`);
  if (dimensions > mostDimensions) cursor.fail(`${shown(name)} has ${dimensions} dimensions, expected at most ${mostDimensions}`, countAt);
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) {
    const length = await cursor.u64(`dimension ${i} of ${shown(name)}`, mostLength);
    if (length === 0) cursor.fail(`dimension ${i} of ${shown(name)} is 0`, cursor.position - 8); // ggml would divide by it
    shape.push(length);
  }
  const typeAt = cursor.position;
  const id = await cursor.u32(`the type of ${shown(name)}`);
  const type = ggmlTypes.get(id);
  if (!type) {
    const why = removedGgmlTypes.has(id) ? "which ggml has given up; quantize the model anew" : "which this version of ggml does not know";
    return cursor.fail(`${shown(name)} has type ${id}, ${why}`, typeAt);
  }
  if ((shape[0] ?? 1) % type.elements) {
    cursor.fail(
      `rows of ${shown(name)} have ${shape[0] ?? 1} elements, no whole number of ${type.name} blocks of ${type.elements}`,
      countAt + 4,
    );
  }
  const elements = elementsOf(shape);
  const bytes = elements === undefined ? Infinity : (elements / type.elements) * type.bytes;
  if (!Number.isSafeInteger(bytes)) cursor.fail(`the shape of ${shown(name)}, ${shape.join("x")}, is too large for any file`, countAt + 4);
  const offsetAt = cursor.position;
  const offset = await cursor.u64(`the offset of ${shown(name)}`, Number.MAX_SAFE_INTEGER);
  return { tensor: { name, type: type.name, shape, offset, bytes, file: cursor.source.name }, offsetAt };
}
