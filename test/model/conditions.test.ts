import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { type NativeModel, native, packageRoot } from "../../lib/engine/binding.js";
import { clipL, largeShaped, t5Small, taesd3 } from "../helpers/checkpoints.js";

const width = 4096;

let model: NativeModel;
before(async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), t5xxl: await t5Small(), taesd: await taesd3() };
  model = await native().load({ ...files, threads: 1, weightType: "f32" }, () => {}).promise;
});
after(() => model.dispose());

const encode = async (prompt: string, t5Prompt?: string) => {
  const { context, pooled } = await model.encode(prompt, t5Prompt, () => {}).promise;
  const rows = (first: number, end?: number) => context.subarray(first * width, end === undefined ? undefined : end * width);
  return { positions: context.length / width, rows, pooled };
};

/** The largest difference, relative to the largest number. */
function difference(got: Float32Array, expected: Float32Array): number {
  assert.equal(got.length, expected.length);
  let [most, size] = [0, 0];
  for (const [i, value] of expected.entries()) {
    most = Math.max(most, Math.abs((got[i] ?? 0) - value));
    size = Math.max(size, Math.abs(value));
  }
  return most / size;
}

test("what the diffusion model reads is what ComfyUI's rules and Hugging Face's encoders give", { timeout: 600_000 }, async () => {
  const lines = readFileSync(path.join(packageRoot, "test", "reference", "conditions.jsonl"), "utf8")
    .trim()
    .split("\n");
  const signs = Array.from({ length: width }, (_, i) => (Math.floor((i * 2654435761) / 65536) % 2 ? 1 : -1));
  for (const line of lines) {
    const { prompt, t5, sums } = JSON.parse(line) as { prompt: string; t5: number; sums: number[] };
    const { positions, rows } = await encode(prompt);
    assert.equal(positions, sums.length, prompt);
    assert.equal((await model.countTokens(prompt)).t5xxl?.positions, t5);
    for (const [at, expected] of sums.entries()) {
      const sum = rows(at, at + 1).reduce((total, value, i) => total + value * (signs[i] ?? 0), 0);
      assert.ok(Math.abs(sum - expected) < 0.15, `${prompt.slice(0, 60)}, position ${at}: expected ${expected}, got ${sum}`);
    }
  }
});

test("a weight moves a token away from the empty text, in both encoders, and not the pooled vector", async () => {
  const plain = await encode("a red circle");
  const empty = await encode("");
  for (const weight of [1.5, 0.5, 0, -1]) {
    const weighted = await encode(`a (red:${weight}) circle`);
    const expected = plain.rows(0).slice();
    // The second word: after CLIP's begin token and "a"; after T5's two tokens for "a".
    for (const at of [2, 77 + 2]) {
      const origin = empty.rows(at, at + 1);
      for (let i = 0; i < width; i++) {
        const from = origin[i] ?? 0;
        expected[at * width + i] = ((expected[at * width + i] ?? 0) - from) * weight + from;
      }
    }
    assert.ok(difference(weighted.rows(0), expected) < 1e-6, `weight ${weight}`);
    assert.deepEqual(weighted.pooled, plain.pooled);
  }
});

test("the CLIPs' chunks stand before T5's text, and do not see each other", async () => {
  const [red, blue, both] = [await encode("red"), await encode("blue"), await encode("red BREAK blue")];
  assert.equal(both.positions, 77 + 77 + 77);
  assert.deepEqual(both.rows(0, 77), red.rows(0, 77));
  assert.deepEqual(both.rows(77, 154), blue.rows(0, 77));
  assert.deepEqual(both.pooled, red.pooled);
  const joined = await encode("red", "red blue");
  assert.deepEqual(both.rows(154), joined.rows(77), "T5 reads both as one text");
  const long = await encode("red", "a red circle ".repeat(75));
  assert.equal(long.positions, 77 + 4 * 75 + 1);
  assert.deepEqual(long.rows(0, 77), red.rows(0, 77));
});

test("encoders that are not loaded give zeros", async () => {
  const load = (files: object) => native().load({ ...files, threads: 1 }, () => {}).promise;
  const rest = { diffusionModel: await largeShaped("f16"), taesd: await taesd3() };
  const clipAlone = await load({ ...rest, clipL: await clipL() });
  const t5Alone = await load({ ...rest, t5xxl: await t5Small() });
  const read = async (of: NativeModel) => {
    const { context, pooled } = await of.encode("red BREAK blue", undefined, () => {}).promise;
    await of.dispose();
    return { positions: context.length / width, context, pooled };
  };
  const clip = await read(clipAlone);
  assert.equal(clip.positions, 154 + 77);
  assert.ok(clip.context.subarray(154 * width).every((value) => value === 0));
  assert.ok(clip.pooled.subarray(0, 768).some((value) => value !== 0) && clip.pooled.subarray(768).every((value) => value === 0));
  const t5 = await read(t5Alone);
  assert.equal(t5.positions, 77 + 77);
  assert.ok(t5.context.subarray(0, 77 * width).every((value) => value === 0));
  assert.ok(t5.context.subarray(77 * width).some((value) => value !== 0) && t5.pooled.every((value) => value === 0));
});
