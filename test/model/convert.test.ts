import assert from "node:assert/strict";
import { link, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { native } from "../../lib/engine/binding.js";
import { type ConvertOptions, convert, type Image, type ModelOptions, type ProgressEvent } from "../../lib/index.js";
import { convertTypes } from "../../lib/options/index.js";
import { checkpoint, clipG, fileOf, truncated, vae } from "../helpers/checkpoints.js";
import { readHeader } from "../helpers/header.js";
import { mmdit } from "../helpers/layouts.js";
import { contrast, meanDifference } from "../helpers/pixels.js";
import { rawGguf } from "../helpers/raw.js";
import { loadSmall, quick } from "../helpers/runs.js";

const types = { f32: 0, f16: 1, q4_0: 2, q5_0: 6, q8_0: 8, q4_k: 12 };
let folder: string;
let input: string;
let original: Image;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-convert-"));
  input = await checkpoint("convert-f16-192", () => mmdit({ depth: 24, hidden: 192, type: "f16" }), {
    "general.architecture": "sd3",
    "general.name": "a name to keep",
  });
  original = await draw({ diffusionModel: input });
});
after(() => rm(folder, { recursive: true, force: true }));

async function draw(files: ModelOptions): Promise<Image> {
  await using model = await loadSmall(files);
  const { images } = await model.generate({ ...quick, steps: 1 });
  assert.ok(images[0] && contrast(images[0]) > 5);
  return images[0];
}

function run(name: string, options: Partial<ConvertOptions> = {}) {
  return convert({ input, output: path.join(folder, name), type: "q8_0", threads: 1, ...options });
}

test("Q8_0: half the size, nearly the same picture, vectors and embedders as they were", async () => {
  const progress: ProgressEvent[] = [];
  const { output, bytes, tensors } = await run("q8_0.gguf", { onProgress: (event) => progress.push(event) });
  assert.equal((await stat(output)).size, bytes);
  const [from, to] = [await readHeader(input), await readHeader(output)];
  assert.deepEqual([...to.tensors.keys()], [...from.tensors.keys()], "the same names in the same order");
  assert.deepEqual(to.metadata, { ...from.metadata, "general.file_type": 7, "general.quantization_version": 2 });
  for (const [name, { shape, type }] of to.tensors) {
    const sensitive = /pos_embed|[xyt]_embedder|context_embedder|final_layer/.test(name);
    const expected = shape.length === 1 || sensitive ? from.tensors.get(name)?.type : types.q8_0;
    assert.equal(type, expected, name);
  }
  assert.equal(tensors.q8_0, 237);
  // All but the position table and the embedders is halved.
  const sensitive = 2 * 192 * (192 * 192 + 4096 + 2048 + 256 + 4 * 192 + 64 + 64);
  const size = (await stat(input)).size;
  assert.ok(bytes - sensitive < 0.56 * (size - sensitive), `${bytes} of ${size} bytes`);

  const difference = meanDifference(await draw({ diffusionModel: output }), original);
  assert.ok(difference > 0.01 && difference < 2, `mean difference ${difference}`);
  assert.ok(progress.length > 0 && progress.every(({ phase, steps }) => phase === "convert" && steps === to.tensors.size));
  assert.equal(progress.at(-1)?.step, to.tensors.size);
});

test("every type is written, loads and computes", async () => {
  const rules = convertTypes.map((type, index) => `joint_blocks[.]${index}[.]x_block[.]mlp[.]fc2=${type}`).join(",");
  const { output, tensors } = await run("typed.gguf", { type: "f16", rules });
  for (const type of convertTypes) if (!["f16", "f32"].includes(type)) assert.equal(tensors[type], 1, type);
  const difference = meanDifference(await draw({ diffusionModel: output }), original);
  assert.ok(difference > 0 && difference < 3, `mean difference ${difference}`); // one type read wrongly makes it noise
});

test("rows that hold no whole blocks get the next best type", async () => {
  const { output } = await run("q4_k.gguf", { type: "q4_k" });
  const { tensors } = await readHeader(output);
  assert.equal(tensors.get("joint_blocks.3.x_block.mlp.fc2.weight")?.type, types.q4_k, "rows of 768");
  assert.equal(tensors.get("joint_blocks.3.x_block.mlp.fc1.weight")?.type, types.q5_0, "rows of 192");
});

test("rules decide before the built-in ones, the first that matches", async () => {
  const { output } = await run("rules.gguf", { type: "q4_0", rules: "x_block[.]attn=f16, ^context_embedder=q8_0,ln_[qk]=f16,attn=f32" });
  const { tensors } = await readHeader(output);
  const type = (name: string) => tensors.get(name)?.type;
  assert.equal(type("joint_blocks.0.x_block.attn.qkv.weight"), types.f16);
  assert.equal(type("joint_blocks.0.context_block.attn.qkv.weight"), types.f32);
  assert.equal(type("joint_blocks.0.context_block.attn.ln_q.weight"), types.f16);
  assert.equal(type("joint_blocks.0.x_block.attn.qkv.bias"), types.f32, "biases stay");
  assert.equal(type("context_embedder.weight"), types.q8_0);
  assert.equal(type("joint_blocks.0.x_block.mlp.fc1.weight"), types.q4_0);
});

test("with a VAE: one file, which loads as model and draws what the parts draw", async () => {
  const { output } = await run("both.gguf", { type: "f16", vae: await vae() });
  const { tensors } = await readHeader(output);
  assert.ok(tensors.has("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight") && tensors.has("vae.decoder.conv_in.weight"));
  const together = await draw({ model: output, diffusionModel: undefined, taesd: undefined });
  const apart = await draw({ diffusionModel: input, vae: await vae(), taesd: undefined });
  assert.equal(meanDifference(together, apart), 0);
  const again = await run("replaced.gguf", { input: output, vae: await vae(), type: "q8_0" });
  const replaced = await readHeader(again.output);
  assert.deepEqual([...replaced.tensors.keys()].sort(), [...tensors.keys()].sort(), "the old VAE is gone");
  assert.equal(replaced.tensors.get("vae.decoder.conv_in.weight")?.type, types.f16);
});

test("wrong options and files are named, and leave no file", async () => {
  const empty = await mkdtemp(path.join(folder, "empty-"));
  const before = await readdir(folder);
  const link1 = path.join(folder, "link.gguf");
  const copy = await fileOf("convert-copy.gguf", rawGguf());
  await rm(link1, { force: true });
  await link(copy, link1);
  const cases: [Partial<ConvertOptions>, string, RegExp][] = [
    [{ input: "no/such/file.gguf" }, "ERR_MODEL_FILE", /input: no\/such\/file.gguf does not exist/],
    [{ input: folder }, "ERR_INVALID_OPTION", /input: expected one diffusion model, but/],
    [{ input: empty }, "ERR_MODEL_FILE", /holds no \.gguf or \.safetensors file/],
    [{ input: await fileOf("text.gguf", "not a model at all, but text") }, "ERR_MODEL_FILE", /input/],
    [{ input: await truncated(input, 1000) }, "ERR_MODEL_FILE", /input/],
    [{ input: await truncated(input, -100_000) }, "ERR_MODEL_FILE", /truncated/],
    [{ vae: "no/vae.gguf" }, "ERR_MODEL_FILE", /vae: no\/vae.gguf/],
    [{ output: path.join(folder, "no", "such", "folder.gguf") }, "ERR_INVALID_OPTION", /output: .*folder/],
    [{ output: path.join(folder, "x.safetensors") }, "ERR_INVALID_OPTION", /output: .*\.gguf/],
    [{ input: copy, output: link1 }, "ERR_INVALID_OPTION", /output: .*input/],
    [{ input: copy, output: copy }, "ERR_INVALID_OPTION", /output: .*input/],
    [{ type: "q8_1" as never }, "ERR_INVALID_OPTION", /type: .*"q8_0".*"iq4_xs"/],
    [{ type: undefined }, "ERR_INVALID_OPTION", /type/],
    [{ rules: "norm" }, "ERR_INVALID_OPTION", /rules: .*regex=type/],
    [{ rules: "norm=q9" }, "ERR_INVALID_OPTION", /rules: .*"q8_0"/],
    [{ rules: "(=f16" }, "ERR_INVALID_OPTION", /rules: .*regular expression/],
    [{ rules: "(?<name>x)y=f16" }, "ERR_INVALID_OPTION", /rules: .*regular expression/], // JavaScript's alone
  ];
  for (const [change, code, message] of cases) await assert.rejects(run("never.gguf", change), { code, message }, JSON.stringify(change));
  assert.deepEqual(await readdir(folder), [...before, "link.gguf"].sort());
});

test("a cancelled conversion rejects with the signal's reason and leaves the old file", async () => {
  const target = await mkdtemp(path.join(folder, "cancel-"));
  const output = path.join(target, "old.gguf");
  await writeFile(output, "old");
  const controller = new AbortController();
  const started = performance.now();
  let aborted = 0;
  const onProgress = () => {
    aborted ||= performance.now();
    controller.abort("enough");
  };
  const options = { input: await clipG(), output, type: "q4_1" as const, threads: 1, signal: controller.signal, onProgress };
  await assert.rejects(convert(options), (reason) => reason === "enough");
  const waited = performance.now() - aborted;
  assert.ok(aborted > started && waited < 5000, `${waited} ms after the abort`);
  assert.deepEqual(await readdir(target), ["old.gguf"]);
  assert.equal((await stat(output)).size, 3);
  await assert.rejects(convert({ ...options, signal: AbortSignal.abort("never") }), (reason) => reason === "never");
});

test("the options reach the engine's converter", () => {
  const given = { input: "i", output: "o.gguf", type: "q4_K", vae: "v", rules: "a=f16", threads: 3, plans: "{}" };
  const fields = native().describe("convert", given);
  assert.deepEqual(Object.fromEntries(fields.map(({ name, value }) => [name, value])), given);
  const known = fields.find(({ name }) => name === "type")?.values?.map((name) => name.toLowerCase()) ?? [];
  assert.deepEqual(
    convertTypes.filter((name) => !known.includes(name)),
    [],
  );
});
