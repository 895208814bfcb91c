import { writeFile } from "node:fs/promises";
import path from "node:path";
import { ggmlTypes } from "../../lib/checkpoint/tensors.js";
import { rawGguf, tagged } from "./raw.js";
import { type Stored, storedOf } from "./stored.js";

/** Writes a GGUF file as `count` parts, as llama-gguf-split does; returns their paths. */
export async function writeSplit(folder: string, file: string, count: number): Promise<string[]> {
  const tensors = await storedOf(file);
  const each = Math.ceil(tensors.length / count);
  const paths: string[] = [];
  for (let i = 0; i < count; i++) {
    const at = path.join(folder, `split-${String(i + 1).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.gguf`);
    await writeFile(at, part(tensors.slice(i * each, (i + 1) * each), i, count, tensors.length));
    paths.push(at);
  }
  return paths;
}

function part(tensors: readonly Stored[], number: number, count: number, total: number): Buffer {
  const metadata: [string, Buffer][] = [
    ["split.no", tagged.u16(number)],
    ["split.count", tagged.u16(count)],
    ["split.tensors.count", tagged.i32(total)],
  ];
  let offset = 0;
  const padded = tensors.map(({ data }) => Buffer.concat([data, Buffer.alloc((32 - (data.length % 32)) % 32)]));
  const placed = tensors.map(({ name, shape, dtype }, i) => {
    const type = [...ggmlTypes].find(([, known]) => known.name === dtype.toLowerCase())?.[0] ?? 0;
    const tensor = { name, shape: [...shape].reverse(), type, offset };
    offset += padded[i]?.length ?? 0;
    return tensor;
  });
  const head = rawGguf({ metadata, tensors: placed, data: 1 });
  return Buffer.concat([head.subarray(0, -1), ...padded]);
}
