import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fingerprint, fingerprints } from "../../../lib/checkpoint/fingerprint.js";
import { parseParameters, writeParameters } from "../../../lib/picture/parameters.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-fingerprint-"));
});
after(() => rm(folder, { recursive: true, force: true }));

async function of(bytes: Uint8Array): Promise<string> {
  const file = path.join(folder, "file");
  await writeFile(file, bytes);
  return fingerprint(file);
}

test("the same content has the same ten digits; head, end, size and any small file's byte count", async () => {
  const large = Buffer.alloc(3 << 20, "weights");
  const first = await of(large);
  assert.match(first, /^[0-9a-f]{10}$/);
  assert.equal(await of(Buffer.from(large)), first);
  const changed = (at: number) => {
    const copy = Buffer.from(large);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return of(copy);
  };
  assert.notEqual(await changed(100), first);
  assert.notEqual(await changed(large.length - 1), first);
  assert.notEqual(await of(large.subarray(0, -7)), first);
  const small = Buffer.alloc(200_000);
  const before = await of(small);
  small[123_456] = 1;
  assert.notEqual(await of(small), before);
  assert.notEqual(await of(Buffer.alloc(0)), await of(Buffer.alloc(1)));
});

test("a change that touches a hundredth of a large file everywhere is seen", async () => {
  const large = Buffer.alloc(8 << 20, "weights");
  const first = await of(large);
  for (let at = 0; at < large.length; at += 100) large[at] = (large[at] ?? 0) ^ 1;
  assert.notEqual(await of(large), first);
});

test("by option, into the text and back", async () => {
  const file = path.join(folder, "file");
  await writeFile(file, "x");
  const prints = await fingerprints({ diffusionModel: file, vae: undefined, clipL: file });
  assert.deepEqual(Object.keys(prints), ["diffusionModel", "clipL"]);
  const base = {
    prompt: "p",
    negativePrompt: "",
    width: 64,
    height: 64,
    steps: 1,
    cfgScale: 1,
    sampler: "euler",
    scheduler: "discrete",
  } as const;
  const model = {
    name: "m",
    fingerprints: prints,
    weightType: "q8_0",
    flashAttention: false,
    device: "cuda:0 cpu cpu",
    engine: "0123abcd",
  };
  const text = writeParameters({ ...base, seed: 1n, batchCount: 1, clipSkip: 2, flowShift: 3 }, model);
  const { fingerprints: read, weightType, flashAttention, device, engine, model: name } = parseParameters(text);
  assert.deepEqual({ name, fingerprints: read, weightType, flashAttention, device, engine }, model);
});
