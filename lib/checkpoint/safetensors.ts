import { type Cursor, shown } from "./cursor.js";
import { JsonReader } from "./json.js";
import { elementsOf, findOverlap, mostTensors, safetensorsTypes, type TensorInfo } from "./tensors.js";

const mostNameBytes = 1024;
const mostMetadata = 65_536;
const mostDimensions = 8;

export interface SafetensorsHeader {
  metadata: Record<string, unknown>;
  tensors: TensorInfo[];
}

/**
 * Reads a safetensors header: 64 bits with its length, JSON, and then the data without a gap.
 * @throws ModelFileError with the offset of the first fault
 */
export async function readSafetensors(cursor: Cursor): Promise<SafetensorsHeader> {
  cursor.position = 0;
  const length = await cursor.u64("the length of the header", cursor.source.headerLimit - 8);
  const bytes = await cursor.bytes(length, "the header");
  const json = new JsonReader(cursor.decode(bytes, "the header", 8), (message, offset) => cursor.fail(message, 8 + offset));
  const data = 8 + length;
  const tensors: TensorInfo[] = [];
  let metadata: Record<string, string> = {};
  json.object("the header", mostTensors + 1, (name, at) => {
    if (name === "__metadata__") {
      metadata = readMetadata(json);
      return;
    }
    if (name === "" || name.includes("\0") || Buffer.byteLength(name) > mostNameBytes) {
      cursor.fail(`a tensor name is empty, has a zero byte or more than ${mostNameBytes} bytes`, 8 + at);
    }
    const { begin, end, ...tensor } = readTensor(json, name);
    if (data + end > cursor.source.size) {
      cursor.truncated(`the data of ${shown(name)} would end at byte ${data + end}, but the file has ${cursor.source.size} bytes`);
    }
    tensors.push({ name, ...tensor, offset: data + begin, bytes: end - begin, file: cursor.source.name });
  });
  json.end();
  checkGaps(cursor, tensors, data);
  return { metadata, tensors };
}

function readMetadata(json: JsonReader): Record<string, string> {
  const entries = new Map<string, string>();
  json.object("__metadata__", mostMetadata, (key) => entries.set(key, json.string(`__metadata__ ${shown(key)}`)));
  return Object.fromEntries(entries);
}

interface Entry {
  type: string;
  shape: number[];
  begin: number;
  end: number;
}

function readTensor(json: JsonReader, name: string): Entry {
  const start = json.position;
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  json.object(`${shown(name)}`, 4, (key, at) => {
    if (key === "dtype") dtype = json.string(`the dtype of ${shown(name)}`);
    else if (key === "shape") shape = json.integers(`the shape of ${shown(name)}`, mostDimensions);
    else if (key === "data_offsets") offsets = json.integers(`the data_offsets of ${shown(name)}`, 2);
    else json.fail(`${shown(name)} has the unknown member ${shown(key)}`, at);
  });
  if (dtype === undefined || !shape || offsets?.length !== 2)
    return json.fail(`${shown(name)} lacks dtype, shape or two data_offsets`, start);
  const type = safetensorsTypes.get(dtype);
  if (!type) return json.fail(`${shown(name)} has the unknown dtype ${shown(dtype)}`, start);
  const [begin = 0, end = 0] = offsets;
  const elements = elementsOf(shape);
  const bytes = elements === undefined ? Infinity : (elements / type.elements) * type.bytes;
  if (end - begin !== bytes) {
    return json.fail(`${shown(name)} has ${end - begin} bytes of data, but ${dtype} of shape [${shape}] needs ${bytes}`, start);
  }
  return { type: type.name, shape: shape.reverse(), begin, end }; // ggml begins with the length of a row
}

/** The format allows neither gaps nor bytes behind the last tensor, so that nothing can hide there. */
function checkGaps(cursor: Cursor, tensors: readonly TensorInfo[], data: number): void {
  const overlap = findOverlap(tensors);
  if (overlap) cursor.fail(`the tensors ${shown(overlap[0].name)} and ${shown(overlap[1].name)} overlap`, overlap[1].offset);
  let end = data;
  for (const { name, offset, bytes } of tensors.filter((tensor) => tensor.bytes > 0).sort((a, b) => a.offset - b.offset)) {
    if (offset !== end) cursor.fail(`no tensor owns the ${offset - end} bytes before ${shown(name)}`, end);
    end = offset + bytes;
  }
  if (end !== cursor.source.size) cursor.fail(`no tensor owns the last ${cursor.source.size - end} bytes`, end);
}
