import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";
import { limit, outcome, survivor } from "../helpers/hostile.js";
import { drawHash } from "../helpers/runs.js";

const refused = "ERR_INVALID_OPTION";
const side = 64;
const pixels = () => new Uint8Array(side * side * 3).fill(120);
const raw = (change: object = {}) => ({ data: pixels(), width: side, height: side, channels: 3, ...change });

describe("images", () => {
  const held = survivor();
  const draw = (initImage: unknown, more: object = {}) => outcome(held.model, { initImage, steps: 2, strength: 0.5, ...more });
  let folder: string;
  let png: Buffer;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "sdcpp-hostile-"));
    png = await sharp(pixels(), { raw: { width: side, height: side, channels: 3 } })
      .png()
      .toBuffer();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("lengths and sizes that do not match", limit, async () => {
    const wrong = [
      { data: new Uint8Array(0) },
      { data: pixels().subarray(1) },
      { data: new Uint8Array(side * side * 4) },
      { width: 0 },
      { height: -64 },
      { width: Number.NaN },
      { width: 2 ** 31, height: 2 ** 31 },
      { width: 65_535, height: 65_535 },
      { width: 64.5 },
      { channels: 0 },
      { channels: 2 },
      { channels: "3" },
      { channels: 1e9 },
      { data: [1, 2, 3] },
      { data: "abc" },
      { data: new Float32Array(side * side * 3) },
      { data: new ArrayBuffer(side * side * 2) },
      { data: new DataView(new ArrayBuffer(side * side * 3)) },
      { data: null },
    ];
    for (const change of wrong) assert.equal(await draw(raw(change)), refused, JSON.stringify(Object.keys(change)));
    assert.equal(await draw(raw()), "picture");
  });

  it("arrays that lie about their length, or only look like one", limit, async () => {
    class Longer extends Uint8Array {
      override get length() {
        return side * side * 3;
      }
    }
    assert.equal(await draw(raw({ data: new Longer(10) })), refused);
    assert.equal(await draw(raw({ data: Object.create(Uint8Array.prototype) })), refused);
    assert.equal(await draw(Object.create(Uint8Array.prototype)), refused);
    assert.equal(await draw(raw({ data: new Proxy(pixels(), {}) })), refused);
  });

  it("shared memory that another thread writes to, and buffers that are detached or resized", limit, async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(side * side * 3)).fill(120);
    const reference = await drawHash(held.model, { initImage: raw() as never, strength: 0.5 });
    const run = drawHash(held.model, { initImage: raw({ data: shared }) as never, strength: 0.5 });
    shared.fill(0);
    assert.equal(await run, reference, "the pixels are those of the call");

    const transferred = pixels();
    const later = drawHash(held.model, { initImage: raw({ data: transferred }) as never, strength: 0.5 });
    structuredClone(transferred.buffer, { transfer: [transferred.buffer] });
    assert.equal(transferred.length, 0);
    assert.equal(await later, reference);
    assert.equal(await draw(raw({ data: transferred })), refused, "detached before the call");

    const encoded = new Uint8Array(png);
    const fromFile = drawHash(held.model, { initImage: encoded, strength: 0.5 });
    encoded.fill(0);
    assert.equal(await fromFile, reference);
  });

  it("files that are damaged, empty, of another kind, folders, devices and pipes", limit, async () => {
    const file = async (name: string, content: string | Uint8Array) => {
      await writeFile(path.join(folder, name), content);
      return path.join(folder, name);
    };
    const pipe = path.join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const huge = Buffer.from(png);
    huge.writeUInt32BE(100_000, 16); // the header's width and height
    huge.writeUInt32BE(100_000, 20);
    const inputs = [
      path.join(folder, "absent.png"),
      folder,
      "",
      "a\0b",
      await file("empty.png", ""),
      await file("text.png", "no picture"),
      await file("cut.png", png.subarray(0, png.length / 2)),
      await file("ünï 図.png", "no picture"),
      pipe,
      "/dev/zero",
      "/dev/null",
      "/proc/self/mem",
      Buffer.alloc(0),
      Buffer.from("no picture"),
      png.subarray(0, 40),
      huge,
    ];
    for (const input of inputs) assert.equal(await draw(input), refused, String(input).slice(0, 60));
    await writeFile(path.join(folder, "図 ü.png"), png);
    assert.equal(await draw(path.join(folder, "図 ü.png")), "picture");
    for (const input of inputs.slice(0, 3)) assert.equal(await draw(raw(), { mask: input }), refused);
  });

  it("extreme proportions", limit, async () => {
    const line = { data: new Uint8Array(65_535 * 3), width: 65_535, height: 1, channels: 3 };
    for (const fit of ["cover", "contain", "fill"]) assert.equal(await draw(line, { fit, width: 64, height: 64 }), "picture");
    const dot = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 };
    assert.equal(await draw(dot, { width: undefined, height: undefined }), "picture");
  });

  it("pipelines that throw, lie, or belong to nobody", limit, async () => {
    const lying = (change: object) => {
      const fake = {
        clone: () => fake,
        autoOrient: () => fake,
        toColourspace: () => fake,
        raw: () => fake,
        metadata: async () => ({ autoOrient: { width: side, height: side }, hasAlpha: false }),
        toBuffer: async () => ({ data: Buffer.alloc(3), info: { width: 60_000, height: 60_000, channels: 3 } }),
        ...change,
      };
      return fake;
    };
    const fail = () => {
      throw new Error("no");
    };
    const fakes = [lying({}), lying({ clone: fail }), lying({ clone: () => null }), lying({ toBuffer: async () => fail() }), lying({ toBuffer: async () => null })]; // biome-ignore format: short
    for (const fake of fakes) assert.equal(await draw(fake), refused);
  });

  it("a pipeline that never ends can be canceled, and lets others pass after it", limit, async () => {
    const never = { clone: () => never, autoOrient: () => never, toColourspace: () => never, raw: () => never, metadata: () => {}, toBuffer: () => new Promise(() => {}) }; // biome-ignore format: short
    const stop = new AbortController();
    const run = held.model.generate({ prompt: "a", initImage: never as never, signal: stop.signal });
    setTimeout(() => stop.abort(), 50);
    await assert.rejects(run, { name: "AbortError" });
  });
});
