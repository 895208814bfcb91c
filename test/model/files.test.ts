import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { convert, loadModel, type ModelOptions } from "../../lib/index.js";
import { clipL, largeShaped, mediumShaped, taesd3, vae } from "../helpers/checkpoints.js";
import { kohyaLora } from "../helpers/loras.js";
import { drawHash, loadSmall } from "../helpers/runs.js";
import { asDiffusers, prefixedStored, type Stored, storedOf, writeShards, writeStored } from "../helpers/stored.js";

/** Files of other layouts draw the same bytes as the plain ones. */

let folder: string;
let large: Stored[];
let plain: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-files-"));
  large = await storedOf(await largeShaped());
  plain = await draw({});
});
after(() => rm(folder, { recursive: true, force: true }));

async function draw(options: ModelOptions): Promise<string> {
  await using model = await loadSmall(options);
  return await drawHash(model);
}

const write = (name: string, tensors: readonly Stored[]) => writeStored(path.join(folder, name), tensors);

test("a transformer under any prefix, and beside tensors without effect", async () => {
  for (const prefix of ["diffusion_model.", "module.", "model.", "transformer.", "model.diffusion_model.", "any.thing-else."]) {
    const ema = prefixedStored(`model_ema.${prefix}`, large.slice(0, 3));
    const diffusionModel = await write("prefixed.safetensors", [...prefixedStored(prefix, large), ...ema]);
    assert.equal(await draw({ diffusionModel }), plain, prefix);
    assert.equal(await draw({ diffusionModel: undefined, files: [diffusionModel] }), plain, `${prefix} in files`);
  }
});

test("diffusers' names: one file, shards, mapped, read from disk in each picture, isolated, converted", async () => {
  const diffusionModel = await write("diffusers.safetensors", asDiffusers(large));
  for (const options of [{}, { mmap: true }, { offload: { params: "disk" } }, { isolate: true }] as ModelOptions[]) {
    const want = options.mmap ? await draw(options) : plain; // mapped, CLIP's quantized weights stay in the file's order
    assert.equal(await draw({ diffusionModel, ...options }), want, JSON.stringify(options));
  }
  const index = await writeShards(folder, "diffusion_pytorch_model", asDiffusers(large), 3);
  const shards = [1, 2, 3].map((i) => path.join(folder, `diffusion_pytorch_model-0000${i}-of-00003.safetensors`));
  for (const file of [index, shards[1] as string]) assert.equal(await draw({ diffusionModel: file }), plain, file);
  assert.equal(await draw({ diffusionModel: undefined, files: shards }), plain, "all of them");
  const output = path.join(folder, "whole.gguf");
  await convert({ input: index, output, type: "f16", threads: 1 });
  const known = path.join(folder, "known.gguf");
  await convert({ input: await largeShaped(), output: known, type: "f16", threads: 1 });
  assert.equal(await draw({ diffusionModel: output }), await draw({ diffusionModel: known }));
});

test("diffusers' names with a second attention", async () => {
  const file = await mediumShaped();
  const diffusionModel = await write("medium.safetensors", asDiffusers(await storedOf(file)));
  assert.equal(await draw({ diffusionModel }), await draw({ diffusionModel: file }));
});

test("a folder as the hub gives it, with variants and the single file beside", async () => {
  const home = path.join(folder, "stable-diffusion-3.5-large-turbo");
  const autoencoder = await storedOf(await vae());
  const inside = async (component: string, config: object) => {
    await mkdir(path.join(home, component), { recursive: true });
    await writeFile(path.join(home, component, "config.json"), JSON.stringify(config));
    return path.join(home, component);
  };
  const classes = {
    transformer: ["diffusers", "SD3Transformer2DModel"],
    vae: ["diffusers", "AutoencoderKL"],
    text_encoder_2: [null, null],
  };
  await mkdir(home);
  await writeFile(path.join(home, "model_index.json"), JSON.stringify({ _class_name: "StableDiffusion3Pipeline", ...classes }));
  const transformer = await inside("transformer", { _class_name: "SD3Transformer2DModel", num_layers: 24, num_attention_heads: 24 });
  await writeShards(transformer, "diffusion_pytorch_model", asDiffusers(large), 2);
  await writeStored(path.join(transformer, "diffusion_pytorch_model.fp16.safetensors"), large.slice(0, 2));
  const coder = await inside("vae", { _class_name: "AutoencoderKL", scaling_factor: 1.5305, shift_factor: 0.0609 });
  const linear = asLinear(autoencoder);
  await writeStored(path.join(coder, "diffusion_pytorch_model.safetensors"), linear);
  await writeStored(path.join(home, "sd3.5_large_turbo.safetensors"), prefixedStored("model.diffusion_model.", large));

  const apart = { diffusionModel: await largeShaped(), vae: await vae(), taesd: undefined };
  const want = await draw(apart);
  await using model = await loadModel({ files: home, clipL: await clipL(), threads: 1 });
  assert.equal(await drawHash(model), want);
  assert.deepEqual(
    [model.info.name, model.info.files.vae],
    ["stable-diffusion-3.5-large-turbo", path.join(coder, "diffusion_pytorch_model.safetensors")],
  );
  await mkdir(path.join(home, "scheduler"));
  const scheduler = { _class_name: "FlowMatchEulerDiscreteScheduler", shift: 6 };
  await writeFile(path.join(home, "scheduler", "scheduler_config.json"), JSON.stringify(scheduler));
  await using shifted = await loadModel({ files: home, clipL: await clipL(), threads: 1 });
  assert.equal(shifted.info.defaults.flowShift, 6);
  const six = await drawHash(shifted, { steps: 2 });
  assert.equal(six, await drawHash(model, { steps: 2, flowShift: 6 }), "its scheduler's shift is the default");
  assert.notEqual(six, await drawHash(model, { steps: 2 }));

  const output = path.join(folder, "folder.gguf");
  const { tensors } = await convert({ input: home, output, type: "f16", threads: 1 });
  assert.ok((tensors.f16 ?? 0) > 300);
  await using one = await loadModel({ model: output, clipL: await clipL(), threads: 1 });
  const known = path.join(folder, "folder-known.gguf");
  await convert({ input: await largeShaped(), vae: await vae(), output: known, type: "f16", threads: 1 });
  await using other = await loadModel({ model: known, clipL: await clipL(), threads: 1 });
  assert.equal(await drawHash(one), await drawHash(other));
});

/** diffusers keeps the attention of the VAE as matrices. */
function asLinear(tensors: readonly Stored[]): Stored[] {
  return tensors.map((tensor) => {
    const attention = /\.mid\.attn_1\.(q|k|v|proj_out)\.weight$/.test(tensor.name);
    return attention ? { ...tensor, shape: tensor.shape.slice(0, 2) } : tensor;
  });
}

test("a VAE cut out of a checkpoint, by its option, by model and in files", async () => {
  const file = await write("cut.safetensors", prefixedStored("first_stage_model.", await storedOf(await vae())));
  const want = await draw({ vae: await vae(), taesd: undefined });
  assert.equal(await draw({ vae: file, taesd: undefined }), want);
  assert.equal(await draw({ model: file, taesd: undefined }), want);
  assert.equal(await draw({ files: [file], taesd: undefined }), want);
});

test("a split GGUF file is loaded by any of its parts", async () => {
  const { writeSplit } = await import("../helpers/split.js");
  const [, second] = await writeSplit(folder, await largeShaped(), 2);
  assert.equal(await draw({ diffusionModel: second }), plain);
  assert.equal(await draw({ diffusionModel: second, mmap: true }), await draw({ mmap: true }));
  const output = path.join(folder, "joined.gguf");
  await convert({ input: second ?? "", output, type: "f16", threads: 1 });
  assert.equal((await storedOf(output)).length, large.length);
});

test("TAESD3 under another prefix", async () => {
  const taesd = await write("tae.safetensors", prefixedStored("taesd.", await storedOf(await taesd3())));
  assert.equal(await draw({ taesd }), plain);
});

test("LoRAs change weights of other layouts as they do the plain file's, in each mode", async () => {
  const [lora, style] = [await kohyaLora(24), await kohyaLora(24, "style")];
  const diffusionModel = await write("diffusers-lora.safetensors", asDiffusers(large));
  const loras = [{ path: lora }, { path: style, weight: -0.5 }];
  for (const options of [
    { loraApplyMode: "immediately" },
    { loraApplyMode: "at_runtime" },
    { loraApplyMode: "immediately", offload: { params: "disk" } },
  ] as ModelOptions[]) {
    const hashes = [];
    for (const file of [{}, { diffusionModel }]) {
      await using model = await loadSmall({ ...file, ...options });
      hashes.push(await drawHash(model, { loras }));
    }
    assert.equal(hashes[0], hashes[1], JSON.stringify(options));
    assert.notEqual(hashes[0], plain);
  }
});
