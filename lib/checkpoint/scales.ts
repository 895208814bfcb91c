import { ModelFileError } from "../errors.js";
import { shown } from "./cursor.js";
import type { Header } from "./header.js";
import { isUrl, openSource } from "./location.js";
import { addDescriptions, findQuantization, type Quantization } from "./quantization.js";
import type { ReadOptions, Source } from "./source.js";
import { elementsOf, type TensorInfo } from "./tensors.js";

/** ComfyUI's descriptions of a layer have some 30 bytes. */
const mostDescriptionBytes = 4096;

/** What the header says of a file's quantization, and the tensors that describe a layer each. Of a URL, the first of these stands for all. */
export async function readQuantization(header: Header, options: ReadOptions = {}): Promise<Quantization> {
  const found = findQuantization(header);
  const described = header.files.some(({ path }) => isUrl(path)) ? found.described.slice(0, 1) : found.described;
  if (described.length === 0) return found;
  const contents = new Map<TensorInfo, string>();
  await withSources(options, async (read) => {
    for (const tensor of described) {
      const small = tensor.type === "u8" && tensor.bytes <= mostDescriptionBytes;
      contents.set(tensor, small ? (await read(tensor)).toString("utf8") : "");
    }
  });
  addDescriptions(found, header, contents);
  return found;
}

/** The smallest and the largest factor of a weight, in magnitude; 0 does not count. */
export interface ScaleRange {
  least: number;
  most: number;
  /** Of one factor for the whole weight. */
  value?: number;
}

/**
 * Reads scales.
 * @throws ModelFileError for one that is no finite number
 */
export async function readScales(scales: readonly TensorInfo[], options: ReadOptions = {}): Promise<Map<TensorInfo, ScaleRange>> {
  const ranges = new Map<TensorInfo, ScaleRange>();
  await withSources(options, async (read) => {
    for (const scale of scales) {
      const values = numbers(await read(scale), scale.type);
      let [least, most] = [Number.POSITIVE_INFINITY, 0];
      for (const value of values) {
        if (!Number.isFinite(value)) {
          throw new ModelFileError(`${scale.file} has the scale ${shown(scale.name)} with the value ${value}, expected a finite number`, {
            file: scale.file,
            offset: scale.offset,
          });
        }
        if (value !== 0) least = Math.min(least, Math.abs(value));
        most = Math.max(most, Math.abs(value));
      }
      ranges.set(scale, { least, most, ...(elementsOf(scale.shape) === 1 && { value: values[0] }) });
    }
  });
  return ranges;
}

async function withSources(options: ReadOptions, work: (read: (tensor: TensorInfo) => Promise<Buffer>) => Promise<void>): Promise<void> {
  const sources = new Map<string, Source>();
  try {
    await work(async ({ file, offset, bytes, name }) => {
      options.signal?.throwIfAborted();
      const source = sources.get(file) ?? (await openSource(file, options));
      sources.set(file, source);
      const data = (await source.read(offset, bytes)).subarray(0, bytes);
      if (data.length === bytes) return data;
      throw new ModelFileError(`${file} is truncated: ${shown(name)} could not be read in full (byte ${offset})`, { file, offset });
    });
  } finally {
    for (const source of sources.values()) await source.close();
  }
}

const readers: Record<string, [bytes: number, read: (data: DataView, at: number) => number]> = {
  f32: [4, (data, at) => data.getFloat32(at, true)],
  f64: [8, (data, at) => data.getFloat64(at, true)],
  f16: [2, (data, at) => halfValue(data.getUint16(at, true))],
  bf16: [
    2,
    (data, at) => {
      const wide = new DataView(new ArrayBuffer(4));
      wide.setUint32(0, data.getUint16(at, true) << 16);
      return wide.getFloat32(0);
    },
  ],
};

function numbers(data: Buffer, type: string): number[] {
  const [bytes, read] = readers[type] ?? [1, () => Number.NaN];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: Math.floor(data.length / bytes) }, (_, i) => read(view, i * bytes));
}

function halfValue(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}
