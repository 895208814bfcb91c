import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type TensorSpec, type WriteOptions, writeGguf } from "../../helpers/gguf.js";
import { clip, mmdit, t5, taesd3, vae } from "../../helpers/layouts.js";
import { RandomBytes } from "../../helpers/random.js";
import { halfBits, randomBlocks, type TensorType, tensorBytes, tensorTypes } from "../../helpers/weights.js";

let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "node-sd-cpp-gguf-"));
});

after(() => rm(folder, { recursive: true, force: true }));

async function written(tensors: TensorSpec[], options?: WriteOptions): Promise<Buffer> {
  const file = path.join(folder, "test.gguf");
  await writeGguf(file, tensors, options);
  return readFile(file);
}

const tensors: TensorSpec[] = [
  { name: "a.weight", shape: [5, 3], type: "f16" },
  { name: "größe", shape: [7], type: "f32", mean: 1, std: 0 },
  { name: "b.weight", shape: [64, 2], type: "q4_0" },
  { name: "c.weight", shape: [32, 3], type: "q8_0" },
  { name: "d.weight", shape: [256, 2], type: "q4_k" },
  { name: "e.weight", shape: [3, 3, 2, 4], type: "bf16" },
];

/** The tensor list of a file without metadata, read independently of the writer. */
function readTensors(file: Buffer) {
  let at = 24;
  const take = (length: number) => {
    at += length;
    return file.subarray(at - length, at);
  };
  const u32 = () => take(4).readUInt32LE();
  const u64 = () => Number(take(8).readBigUInt64LE());
  const list = Array.from({ length: Number(file.readBigUInt64LE(8)) }, () => {
    const name = take(u64()).toString();
    const shape = Array.from({ length: u32() }, u64);
    return { name, shape, type: u32(), offset: u64() };
  });
  return { list, dataStart: Math.ceil(at / 32) * 32 };
}

describe("writeGguf", () => {
  it("writes the header", async () => {
    const file = await written(tensors);
    assert.equal(file.toString("latin1", 0, 4), "GGUF");
    assert.equal(file.readUInt32LE(4), 3);
    assert.equal(file.readBigUInt64LE(8), 6n);
    assert.equal(file.readBigUInt64LE(16), 0n);
    const { list } = readTensors(file);
    assert.deepEqual(
      list.map(({ name, shape, type }) => ({ name, shape, type })),
      tensors.map(({ name, shape, type }) => ({ name, shape, type: tensorTypes[type].id })),
    );
  });

  it("aligns each tensor to 32 bytes, one after the other", async () => {
    const file = await written(tensors);
    const { list, dataStart } = readTensors(file);
    const bytes = [30, 28, 72, 102, 288, 144];
    assert.deepEqual(
      tensors.map(({ type, shape }) => tensorBytes(type, shape)),
      bytes,
    );
    assert.deepEqual(
      list.map(({ offset }) => offset),
      [0, 32, 64, 160, 288, 576],
    );
    assert.equal(file.length, dataStart + 576 + 160);
    assert.deepEqual(file.subarray(dataStart + 30, dataStart + 32), Buffer.alloc(2));
    assert.equal(file.readFloatLE(dataStart + 32), 1);
    assert.equal(file.readFloatLE(dataStart + 32 + 24), 1);
  });

  it("writes metadata of each type", async () => {
    const metadata = { s: "sd3", yes: true, n: 7, f: 0.5, big: 2n ** 40n, list: ["a", "b"] };
    const file = await written([], { metadata });
    assert.equal(file.readBigUInt64LE(16), 6n);
    const entry = (type: number, ...value: number[]) => Buffer.from([type, 0, 0, 0, ...value]);
    for (const part of [
      entry(8, 3, 0, 0, 0, 0, 0, 0, 0, ...Buffer.from("sd3")),
      entry(7, 1),
      entry(4, 7, 0, 0, 0),
      entry(6, 0, 0, 0, 0x3f),
      entry(10, 0, 0, 0, 0, 0, 1, 0, 0),
      entry(9, 8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x61),
    ]) {
      assert.ok(file.includes(part), part.toString("hex"));
    }
  });

  it("writes and announces another alignment", async () => {
    const file = await written(tensors, { alignment: 64 });
    assert.ok(file.includes("general.alignment"));
    assert.equal(file.length % 64, 0);
  });

  it("gives the same bytes for the same seed, and other bytes for another", async () => {
    const first = await written(tensors, { seed: "1" });
    assert.deepEqual(await written(tensors, { seed: "1" }), first);
    assert.notDeepEqual(await written(tensors, { seed: "2" }), first);
  });

  it("refuses rows that are not whole blocks", async () => {
    await assert.rejects(written([{ name: "x", shape: [24, 2], type: "q4_0" }]), RangeError);
  });
});

describe("random weights", () => {
  /** Decodes as ggml does. */
  const decode: Record<TensorType, (data: Buffer) => number[]> = {
    f32: (data) => [data.readFloatLE(0)],
    f16: (data) => [half(data.readUInt16LE(0))],
    bf16: (data) => [Buffer.from([0, 0, data.readUInt8(0), data.readUInt8(1)]).readFloatLE(0)],
    q8_0: (data) => Array.from({ length: 32 }, (_, i) => half(data.readUInt16LE(0)) * data.readInt8(2 + i)),
    q4_0: (data) =>
      Array.from({ length: 32 }, (_, i) => half(data.readUInt16LE(0)) * (((data.readUInt8(2 + (i % 16)) >> (i < 16 ? 0 : 4)) & 15) - 8)),
    q4_k: (data) =>
      Array.from({ length: 256 }, (_, i) => {
        const group = i >> 5;
        const byte = (n: number) => data.readUInt8(4 + n);
        const scale = group < 4 ? byte(group) & 63 : (byte(group + 4) & 15) | ((byte(group - 4) >> 6) << 4);
        const min = group < 4 ? byte(group + 4) & 63 : (byte(group + 4) >> 4) | ((byte(group) >> 6) << 4);
        const quant = (data.readUInt8(16 + 32 * (group >> 1) + (i & 31)) >> (group & 1 ? 4 : 0)) & 15;
        return half(data.readUInt16LE(0)) * scale * quant - half(data.readUInt16LE(2)) * min;
      }),
  };

  function half(bits: number): number {
    const exponent = (bits >> 10) & 31;
    const magnitude = exponent === 0 ? (bits & 1023) * 2 ** -24 : (1 + (bits & 1023) / 1024) * 2 ** (exponent - 15);
    return bits & 0x8000 ? -magnitude : magnitude;
  }

  it("rounds to half precision", () => {
    for (const value of [0, 1, -1, 0.5, 1.5, 65504, 2 ** -14, 2 ** -24, -(2 ** -20), 0.333251953125])
      assert.equal(half(halfBits(value)), value);
    assert.equal(halfBits(0.1), 0x2e66);
    assert.equal(halfBits(2047.9), halfBits(2048));
    assert.equal(halfBits(1e6), 0x7c00);
  });

  for (const type of Object.keys(tensorTypes) as TensorType[]) {
    it(`have the wanted spread in ${type}`, () => {
      const { elements, bytes } = tensorTypes[type];
      const blocks = 40_960 / elements;
      const data = Buffer.from(randomBlocks(type, blocks, { mean: 0, std: 0.05 }, new RandomBytes(type)));
      assert.equal(data.length, blocks * bytes);
      const values = Array.from({ length: blocks }, (_, i) => decode[type](data.subarray(i * bytes, (i + 1) * bytes))).flat();
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
      assert.ok(Math.abs(mean) < 0.002, `mean ${mean}`);
      assert.ok(Math.abs(std - 0.05) < 0.003, `deviation ${std}`);
    });
  }
});

describe("layouts", () => {
  it("have as many tensors as the real files", () => {
    assert.equal(mmdit({ depth: 38, hidden: 38, type: "f16" }).length, 923); // Large
    assert.equal(mmdit({ depth: 24, hidden: 24, dual: 13, type: "f16" }).length, 665); // Medium
    assert.equal(clip("l").length, 196);
    assert.equal(clip("g").length, 517);
    assert.equal(t5({ layers: 24, vocabulary: 32128, feedForward: 10240 }).length, 219);
    assert.equal(taesd3().length, 134);
    assert.equal(vae().length, 244);
  });

  it("name no tensor twice", () => {
    for (const layout of [mmdit({ depth: 24, hidden: 24, dual: 13, type: "f16" }), clip("g"), taesd3(), vae()]) {
      assert.equal(new Set(layout.map(({ name }) => name)).size, layout.length);
    }
  });
});
