import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { readHeader } from "../../../lib/checkpoint/reader.js";
import { ModelFileError } from "../../../lib/errors.js";
import { type TensorSpec, writeGguf } from "../../helpers/gguf.js";
import { type RawGguf, type RawTensor, rawGguf, rawSafetensors, tagged, text, u8, u32, u64 } from "../../helpers/raw.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-header-"));
});
after(() => rm(folder, { recursive: true, force: true }));

let count = 0;
async function file(content: string | Buffer, name = "test.bin"): Promise<string> {
  const made = path.join(folder, `${count++}-${name}`);
  await writeFile(made, content);
  return made;
}

async function refused(content: string | Buffer, message: RegExp, offset: number | undefined): Promise<void> {
  const location = await file(content);
  await assert.rejects(readHeader(location), (error) => {
    assert.ok(error instanceof ModelFileError, String(error));
    assert.match(error.message, message);
    assert.ok(error.message.startsWith(location), error.message);
    assert.equal(error.offset, offset, error.message);
    assert.equal(error.file, location);
    return true;
  });
}

describe("GGUF", () => {
  const f32 = (name: string, offset: number, shape: RawTensor["shape"] = [8]): RawTensor => ({ name, shape, type: 0, offset });
  const two = [f32("a", 0), f32("b", 32)];
  const bad = (parts: RawGguf, message: RegExp, offset?: number) => refused(rawGguf({ data: 64, ...parts }), message, offset);

  test("what is written is read: names, shapes, types, places, metadata", async () => {
    const tensors: TensorSpec[] = [
      { name: "a.weight", shape: [5, 3], type: "f16" },
      { name: "größe", shape: [7], type: "f32" },
      { name: "b.weight", shape: [64, 2], type: "q4_0" },
      { name: "c.weight", shape: [256, 2, 1], type: "q4_k" },
    ];
    const location = path.join(folder, "written.gguf");
    await writeGguf(location, tensors, {
      metadata: { s: "sd3", yes: true, n: 7, f: 0.5, big: 2n ** 40n, list: ["a", "b"] },
      alignment: 64,
    });
    const header = await readHeader(location);
    assert.equal(header.format, "gguf");
    assert.equal(header.version, 3);
    assert.deepEqual(header.metadata, { s: "sd3", yes: true, n: 7, f: 0.5, big: 2n ** 40n, list: ["a", "b"], "general.alignment": 64 });
    assert.deepEqual(
      header.tensors.map(({ name, shape, type }) => ({ name, shape, type })),
      tensors,
    );
    assert.deepEqual(
      header.tensors.map(({ bytes }) => bytes),
      [30, 28, 72, 288],
    );
    const [first] = header.tensors;
    assert.ok(first && first.offset % 64 === 0);
    assert.deepEqual(
      header.tensors.map(({ offset }) => offset - first.offset),
      [0, 64, 128, 256],
    );
    assert.deepEqual(header.files, [{ path: location, bytes: first.offset + 256 + 320 }]);
  });

  test("version 2, metadata of every type, long arrays by their length alone", async () => {
    const metadata: [string, Buffer][] = [
      ["u8", Buffer.concat([u32(0), u8(200)])],
      ["i8", Buffer.concat([u32(1), u8(200)])],
      ["u16", tagged.u16(60_000)],
      ["i16", Buffer.concat([u32(3), tagged.u16(65_535).subarray(4)])],
      ["i32", tagged.i32(2 ** 31 + 5)],
      ["i64", Buffer.concat([u32(11), u64(2n ** 64n - 2n)])],
      ["f64", Buffer.concat([u32(12), u64(0x3ff8000000000000n)])],
      [
        "long",
        tagged.array(
          4,
          Array.from({ length: 2000 }, () => u32(1)),
        ),
      ],
      [
        "words",
        tagged.array(
          8,
          Array.from({ length: 2000 }, () => text("ab")),
        ),
      ],
      ["numbers", tagged.array(4, [u32(1), u32(2)])],
      ["__proto__", tagged.u32(1)],
    ];
    const header = await readHeader(await file(rawGguf({ version: 2, metadata, tensors: two, data: 64 })));
    assert.equal(header.version, 2);
    assert.deepEqual(Object.entries(header.metadata), [
      ["u8", 200],
      ["i8", -56],
      ["u16", 60_000],
      ["i16", -1],
      ["i32", 5 - 2 ** 31],
      ["i64", -2n],
      ["f64", 1.5],
      ["long", { elements: "uint32", length: 2000 }],
      ["words", { elements: "string", length: 2000 }],
      ["numbers", [1, 2]],
      ["__proto__", 1],
    ]);
    assert.equal(header.tensors.length, 2);
  });

  test("every type of the pinned ggml has its size", async () => {
    // Bytes of 256 elements, or of one block of those that have another length.
    const sizes: Record<number, number> = {
      0: 1024, 1: 512, 2: 144, 3: 160, 6: 176, 7: 192, 8: 272, 9: 288, 10: 84, 11: 110, 12: 144, 13: 176, 14: 210, 15: 292, 16: 66, 17: 74,
      18: 98, 19: 50, 20: 144, 21: 110, 22: 82, 23: 136, 24: 256, 25: 512, 26: 1024, 27: 2048, 28: 2048, 29: 56, 30: 512, 34: 54, 35: 66,
      39: 136, 40: 144, 41: 36,
    }; // biome-ignore format: a table
    const tensors = Object.keys(sizes).map((type, i) => ({ name: `t${type}`, shape: [256], type: Number(type), offset: i * 2048 }));
    const header = await readHeader(await file(rawGguf({ tensors, data: tensors.length * 2048 })));
    assert.deepEqual(Object.fromEntries(header.tensors.map(({ name, bytes }) => [name.slice(1), bytes])), sizes);
  });

  test("wrong beginnings", async () => {
    await bad({ version: 4 }, /version is 4, expected 2 or 3 \(byte 4\)/, 4);
    await bad({ version: 0 }, /version is 0/, 4);
    await bad({ version: 1 }, /version 1 is outdated/, 4);
    await bad({ version: 0x03000000 }, /big-endian/, 4);
    await bad({ tensorCount: 2n ** 63n }, /number of tensors is 9223372036854775808, expected at most 65536/, 8);
    await bad({ tensorCount: 65_537 }, /number of tensors is 65537/, 8);
    await bad({ metadataCount: 2n ** 64n - 1n }, /number of metadata entries/, 16);
  });

  test("wrong metadata", async () => {
    const one = (key: string | Uint8Array, value: Buffer) => ({ metadata: [[key, value]] as [string, Buffer][] });
    await bad(
      {
        metadata: [
          ["a", tagged.u32(1)],
          ["a", tagged.u32(1)],
        ],
      },
      /metadata key "a" appears twice/,
      41,
    );
    await bad(one("a", u32(13)), /unknown type 13/, 33);
    await bad(one("a", Buffer.concat([u32(7), u8(2)])), /neither 0 nor 1/, 37);
    await bad(one("a", tagged.array(9, [])), /impossible type 9/, 37);
    await bad(one("a", tagged.array(4, [], 2n ** 62n)), /length of "a" is 4611686018427387904/, 41);
    await bad(one("a", tagged.array(4, [], 10_000)), /truncated: "a" would end/, 128);
    await bad(one("a", Buffer.concat([u32(8), u64(2n ** 63n)])), /length of the value of "a"/, 37);
    await bad(one("a", Buffer.concat([u32(8), text(Buffer.from([0xff]))])), /not valid UTF-8/, 45);
    await bad(one(Buffer.from([0xc3, 0x28]), tagged.u32(1)), /metadata key 1 of 1 is not valid UTF-8/, 32);
    for (const value of [tagged.u32(0), tagged.u32(24), tagged.u32(2 ** 21), tagged.text("32"), tagged.i32(32)]) {
      await bad(one("general.alignment", value), /power of two/, 49);
    }
  });

  test("wrong tensors", async () => {
    const tensor = (change: Partial<RawTensor>) => ({ tensors: [{ ...f32("a", 0), ...change }] });
    await bad({ tensors: [f32("a", 0), f32("a", 32)] }, /tensor name "a" appears twice/, 57);
    await bad({ tensors: [f32("a", 0, [9]), f32("b", 32)] }, /"a" and "b" overlap/, 128);
    await bad({ tensors: [f32("a", 0), f32("b", 0)] }, /overlap/, 96);
    await bad(tensor({ offset: 16 }), /begins at 16, which is no multiple of 32/, 49);
    await bad(tensor({ offset: 64 }), /truncated: the data of "a" would end at byte 160, but the file has 128/, 128);
    await bad(tensor({ offset: 2n ** 63n }), /offset of "a" is 9223372036854775808/, 49);
    await bad(tensor({ offset: 2 ** 53 - 32 }), /outside of any file/, 49);
    await bad(tensor({ shape: [2n ** 63n] }), /dimension 0 of "a" is/, 37);
    await bad(tensor({ shape: [2 ** 40, 2 ** 40] }), /too large for any file/, 37);
    await bad(tensor({ shape: [0, 4] }), /dimension 0 of "a" is 0/, 37);
    await bad(tensor({ shape: [1, 1, 1, 1, 1, 1, 1, 1, 1] }), /has 9 dimensions/, 33);
    await bad(tensor({ type: 42 }), /type 42, which this version of ggml does not know/, 45);
    await bad(tensor({ type: 31 }), /type 31, which ggml has given up/, 45);
    await bad(tensor({ type: 2 }), /rows of "a" have 8 elements, no whole number of q4_0 blocks/, 37);
    await bad(tensor({ name: "" }), /empty/, 24);
    await bad(tensor({ name: "a\0b" }), /zero byte/, 24);
    await bad(tensor({ name: Buffer.from([0xfe]) }), /not valid UTF-8/, 32);
    await bad(tensor({ name: "a".repeat(2000) }), /length of the name of tensor 1 of 1 is 2000, expected at most 1024/, 24);
  });

  test("a file that ends too early, at any byte, is truncated", async () => {
    const whole = rawGguf({ metadata: [["general.architecture", tagged.text("sd3")]], tensors: two, data: 64 });
    for (let length = 5; length < whole.length; length++) {
      await assert.rejects(readHeader(await file(whole.subarray(0, length), "cut")), {
        code: "ERR_MODEL_FILE",
        message: /truncated/,
        offset: length,
      });
    }
    await readHeader(await file(whole, "whole"));
  });

  test("names of a file cannot reach the terminal", async () => {
    await bad({ tensors: [f32("\u001b[31m", 0), f32("\u001b[31m", 32)] }, /tensor name "\\u001b\[31m" appears/, 61);
  });
});

describe("safetensors", () => {
  const tensor = (begin: number, dtype = "F32", shape: unknown = [4, 2]) => ({ dtype, shape, data_offsets: [begin, begin + 32] });

  test("what is written is read; shapes in ggml's order", async () => {
    const header = {
      __metadata__: { format: "pt" },
      größe: tensor(32),
      b: tensor(0, "F16", [2, 4, 2]),
      c: tensor(64, "F8_E4M3", [32]),
      d: { dtype: "I64", shape: [], data_offsets: [96, 104] },
    };
    const location = await file(rawSafetensors(header, 104));
    const read = await readHeader(location);
    const data = 8 + Buffer.byteLength(JSON.stringify(header));
    assert.deepEqual(read, {
      format: "safetensors",
      files: [{ path: location, bytes: data + 104 }],
      metadata: { format: "pt" },
      tensors: [
        { name: "größe", type: "f32", shape: [2, 4], offset: data + 32, bytes: 32, file: location },
        { name: "b", type: "f16", shape: [2, 4, 2], offset: data, bytes: 32, file: location },
        { name: "c", type: "f8_e4m3", shape: [32], offset: data + 64, bytes: 32, file: location },
        { name: "d", type: "i64", shape: [], offset: data + 96, bytes: 8, file: location },
      ],
    });
  });

  test("spaces, escapes and empty tensors are fine", async () => {
    const read = await readHeader(
      await file(rawSafetensors('{ "a\\u0062\\"" : {"shape":[0, 3],\n"dtype":"BF16","data_offsets":[0,0]} }   ')),
    );
    assert.deepEqual(
      read.tensors.map(({ name, shape, bytes }) => ({ name, shape, bytes })),
      [{ name: 'ab"', shape: [3, 0], bytes: 0 }],
    );
  });

  /** `place` is where in the header's text the fault is, or how many bytes into the data. */
  function bad(header: unknown, message: RegExp, place: string | number, data = 64): Promise<void> {
    const bytes = Buffer.isBuffer(header) ? header : Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
    return refused(rawSafetensors(bytes, data), message, 8 + (typeof place === "string" ? bytes.indexOf(place) : bytes.length + place));
  }

  test("wrong JSON", async () => {
    await bad('{"a":1}', /"\{" is missing in "a"/, "1");
    await bad('{"__metadata__":{"a":1}}', /is no string/, "1");
    await bad("{} x", /text follows/, "x");
    await bad('{"a', /does not end/, '"a');
    await bad('{"\\ud800":{}}', /no valid JSON string/, '"');
    await bad('{"\\x":{}}', /no valid JSON string/, '"');
    await bad('{"__metadata__":{"x":"y"},?}', /is no string/, "?");
    await bad(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x7d]), /not valid UTF-8/, "{");
    await bad(`{"a":${"[".repeat(100_000)}`, /"\{" is missing/, "[");
    await refused(rawSafetensors("{}", 0, 3n), /truncated/, 10);
    await refused(rawSafetensors("{}", 0, 2n ** 63n), /not a model/, 0);
  });

  test("wrong members", async () => {
    await bad('{"a":{"dtype":"F32"}}', /lacks dtype, shape/, '{"dtype');
    await bad('{"a":{"dtype":"F32","shape":[8],"data_offsets":[0]}}', /two data_offsets/, '{"dtype');
    await bad({ a: { ...tensor(0), more: 1 } }, /unknown member "more"/, '"more"');
    await bad({ a: tensor(0, "F31") }, /unknown dtype "F31"/, '{"dtype');
    await bad({ a: tensor(0, "F32", [-8]) }, /no whole number/, "-8");
    await bad({ a: tensor(0, "F32", [8.5]) }, /no whole number/, "8.5");
    await bad('{"a":{"dtype":"F32","shape":[8e0],"data_offsets":[0,32]}}', /no whole number/, "8e0");
    await bad('{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,32]}}', /no whole number/, "9999");
    await bad({ a: tensor(0, "F32", [1, 1, 1, 1, 1, 1, 1, 1, 8]) }, /more than 8 values/, "8]");
    await bad(`{"a":${JSON.stringify(tensor(0))},"\\u0061":${JSON.stringify(tensor(32))}}`, /member "a" twice/, '"\\u0061"');
    await bad('{"":{}}', /empty/, '""');
  });

  test("wrong places of the data", async () => {
    await bad({ a: tensor(0, "F32", [4, 3]) }, /has 32 bytes of data, but F32 of shape \[4,3\] needs 48/, '{"dtype');
    await bad({ a: tensor(0), b: tensor(16) }, /"a" and "b" overlap/, 16);
    await bad({ a: tensor(0), b: tensor(48) }, /truncated: the data of "b" would end/, 64);
    await bad({ a: tensor(0), b: tensor(48) }, /no tensor owns the 16 bytes before "b"/, 32, 80);
    await bad({ a: tensor(0) }, /no tensor owns the last 32 bytes/, 32);
  });
});

describe("other files", () => {
  test("are called by their name", async () => {
    const cases: [string | Buffer, RegExp, number | undefined][] = [
      ["version https://git-lfs.github.com/spec/v1\noid sha256:1", /Git LFS pointer/, 0],
      ["<!doctype html><html>", /web page/, 0],
      ['{"error":"not found"}', /JSON text/, 0],
      ["ggjt0000000000000000", /not a model/, 0],
      ["tjgg0000000000000000", /from before GGUF/, 0],
      ["GGU", /not a model/, 0],
      ["PK\x03\x04 and a zip", /pickle of Python/, undefined],
    ];
    for (const [content, message, offset] of cases) await refused(content, message, offset);
    await assert.rejects(readHeader(await file("")), { code: "ERR_MODEL_FILE", message: /is empty/ });
    await assert.rejects(readHeader(folder), { code: "ERR_MODEL_FILE", message: /is a folder/ });
    await assert.rejects(readHeader(path.join(folder, "none.gguf")), { code: "ERR_MODEL_FILE", message: /does not exist/ });
    await assert.rejects(readHeader("/dev/null"), { code: "ERR_MODEL_FILE", message: /not a regular file/ });
  });

  test("an aborted signal stops it with its reason", async () => {
    await assert.rejects(readHeader(await file(rawGguf()), { signal: AbortSignal.abort("enough") }), (reason) => reason === "enough");
  });
});
