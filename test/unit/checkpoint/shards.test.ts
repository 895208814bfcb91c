import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { readHeader } from "../../../lib/checkpoint/reader.js";
import { ModelFileError } from "../../../lib/errors.js";
import { rawGguf, rawSafetensors, tagged, u32 } from "../../helpers/raw.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-shards-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const put = async (name: string, content: string | Buffer) => {
  const file = path.join(folder, name);
  await writeFile(file, content);
  return file;
};

async function refused(file: string, message: RegExp): Promise<void> {
  await assert.rejects(readHeader(file), (error) => error instanceof ModelFileError && message.test(error.message), String(message));
}

describe("split GGUF", () => {
  function part(no: number, count: number, total: number, names: string[]): Buffer {
    const metadata: [string, Buffer][] = [
      ["general.name", tagged.text(`part ${no}`)],
      ["split.no", tagged.u16(no)],
      ["split.count", tagged.u16(count)],
      ["split.tensors.count", tagged.i32(total)],
    ];
    return rawGguf({ metadata, tensors: names.map((name, i) => ({ name, shape: [8], type: 0, offset: i * 32 })), data: names.length * 32 });
  }

  const write = async () => {
    await put("m-00002-of-00003.gguf", part(1, 3, 4, ["b", "c"]));
    await put("m-00003-of-00003.gguf", part(2, 3, 4, ["d"]));
    return put("m-00001-of-00003.gguf", part(0, 3, 4, ["a"]));
  };

  test("any part stands for all; each tensor knows its file", async () => {
    const first = await write();
    const header = await readHeader(first);
    assert.deepEqual(await readHeader(path.join(folder, "m-00003-of-00003.gguf")), header);
    assert.equal(header.metadata["general.name"], "part 0");
    assert.deepEqual(
      header.tensors.map(({ name, file }) => `${name} ${path.basename(file).slice(0, 7)}`),
      ["a m-00001", "b m-00002", "c m-00002", "d m-00003"],
    );
    assert.deepEqual(
      header.files.map((file) => path.basename(file.path)),
      ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"],
    );
  });

  test("parts that do not belong together", async () => {
    const first = await write();
    await put("m-00002-of-00003.gguf", part(0, 3, 4, ["b", "c"]));
    await refused(first, /m-00002-of-00003.gguf is named as part 2 of 3, but says that it is part 1 of 3/);
    await put("m-00002-of-00003.gguf", rawGguf());
    await refused(first, /is named as part 2 of 3, but does not say so/);
    await put("m-00002-of-00003.gguf", part(1, 3, 4, ["b"]));
    await refused(first, /should have 4 tensors in all parts, but has 3/);
    await put("m-00002-of-00003.gguf", part(1, 3, 4, ["b", "a"]));
    await refused(first, /m-00002-of-00003.gguf has the tensor "a", and so has .*m-00001/);
    await rm(path.join(folder, "m-00002-of-00003.gguf"));
    await refused(first, /m-00002-of-00003.gguf does not exist/);
  });

  test("a part under another name, and absurd counts", async () => {
    await refused(await put("alone.gguf", part(0, 3, 4, ["a"])), /is one of 3 parts/);
    await refused(await put("m-00001-of-99999.gguf", part(0, 3, 4, ["a"])), /would have 99999 parts/);
    await readHeader(await put("m-00001-of-00001.gguf", rawGguf({ metadata: [["x", Buffer.concat([u32(4), u32(1)])]] })));
  });
});

describe("sharded safetensors", () => {
  const shard = (...names: string[]) =>
    rawSafetensors(
      Object.fromEntries(names.map((name, i) => [name, { dtype: "F32", shape: [2], data_offsets: [8 * i, 8 * i + 8] }])),
      8 * names.length,
    );
  const index = (map: unknown) => put("model.safetensors.index.json", JSON.stringify({ metadata: { total_size: 24 }, weight_map: map }));

  test("by the index, and by the name of a shard", async () => {
    const one = await put("model-00001-of-00002.safetensors", shard("a", "b"));
    await put("model-00002-of-00002.safetensors", shard("c"));
    const header = await readHeader(one);
    assert.deepEqual(
      header.tensors.map(({ name, offset }) => [name, offset]),
      [
        ["a", header.tensors[0]?.offset],
        ["b", (header.tensors[0]?.offset ?? 0) + 8],
        ["c", header.tensors[2]?.offset],
      ],
    );
    const all = { a: "model-00001-of-00002.safetensors", b: "model-00001-of-00002.safetensors", c: "model-00002-of-00002.safetensors" };
    assert.deepEqual(await readHeader(await index(all)), header);
    await refused(
      await index({ ...all, d: "model-00002-of-00002.safetensors" }),
      /says that model-00002-of-00002.safetensors has the tensor "d"/,
    );
    await refused(await index({ ...all, a: "model-00002-of-00002.safetensors" }), /has the tensor "a", but it has not/);
    await refused(await index({ ...all, c: "missing.safetensors" }), /missing.safetensors does not exist/);
  });

  test("indexes that make no sense, or reach out of their folder", async () => {
    for (const name of ["../other.safetensors", "/etc/passwd", "a\\b.safetensors", "model.gguf", 7, null]) {
      await refused(await index({ a: name }), /should name .safetensors files beside it/);
    }
    await refused(await index({}), /should name/);
    await refused(await index([]), /has no weight_map/);
    await refused(await index(undefined), /has no weight_map/);
    await refused(await put("x.safetensors.index.json", "{"), /no valid JSON/);
    await refused(await put("x.safetensors.index.json", "null"), /no valid JSON|no weight_map/);
    await refused(await put("x.safetensors.index.json", ""), /is empty/);
  });
});
