import { chmod, copyFile, mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import type { ModelFiles } from "../../lib/index.js";
import { clipG, clipL, largeShaped, taesd3 } from "./checkpoints.js";
import { type TensorSpec, writeSparseGguf } from "./gguf.js";
import { mmdit } from "./layouts.js";
import { rawGguf } from "./raw.js";
import { writeSparseSafetensors } from "./safetensors.js";

/** A model of which one file is defective, and what `loadModel` has to say about it. */
export interface Defect {
  name: string;
  files: ModelFiles;
  code: "ERR_MODEL_FILE" | "ERR_UNSUPPORTED_MODEL";
  message: RegExp;
  /** Where the fault is, for those that have a place. */
  offset?: number;
}

const dit = () => mmdit({ depth: 24, hidden: 24, type: "f16" });

/** Makes the files in a folder. */
export async function makeDefects(folder: string): Promise<Defect[]> {
  const good = { diffusionModel: await largeShaped(), clipL: await clipL(), taesd: await taesd3() };
  const defects: Defect[] = [];
  const add = (name: string, change: ModelFiles, message: RegExp, more: Partial<Defect> = {}) =>
    defects.push({ name, files: { ...good, ...change }, code: "ERR_MODEL_FILE", message, ...more });
  const file = (name: string) => path.join(folder, name);

  const bytes = await readFile(good.diffusionModel);
  const cut = async (length: number) => {
    await copyFile(good.diffusionModel, file(`cut-${length}.gguf`));
    await truncate(file(`cut-${length}.gguf`), length);
    return file(`cut-${length}.gguf`);
  };
  add("truncated in the magic number", { diffusionModel: await cut(3) }, /is not a model/, { offset: 0 });
  for (const [where, length] of Object.entries({
    "the counts": 20,
    "the metadata": 60,
    "the list of tensors": 1000,
    "the weights": Math.floor(bytes.length / 2),
  })) {
    add(`truncated in ${where}`, { diffusionModel: await cut(length) }, /^diffusionModel: .* is truncated/, { offset: length });
  }
  const lastTensor = bytes.length - 32; // the last tensor is 96 bytes, and fills its place
  add("truncated at the end", { diffusionModel: await cut(lastTensor) }, /is truncated: the data of "final_layer/, { offset: lastTensor });

  await writeFile(file("empty.gguf"), "");
  add("zero-length", { diffusionModel: file("empty.gguf") }, /is empty/);
  await mkdir(file("folder.gguf"));
  add("directory", { clipL: file("folder.gguf") }, /^clipL: .* is a folder/);

  const overwrite = async (name: string, ...changes: [offset: number, data: Uint8Array][]) => {
    const copy = Buffer.from(bytes);
    for (const [offset, data] of changes) copy.set(data, offset);
    await writeFile(file(name), copy);
    return { diffusionModel: file(name) };
  };
  const all = new Uint8Array(8).fill(0xff);
  const magic = await overwrite("magic.gguf", [0, Buffer.from("GGJT")]);
  add("wrong magic", magic, /is not a model: expected GGUF/, { offset: 0 });
  const version = await overwrite("version.gguf", [4, Buffer.from([4])]);
  add("wrong version", version, /the GGUF version is 4, expected 2 or 3/, { offset: 4 });
  const turned = await overwrite("big-endian.gguf", [4, Buffer.from([0, 0, 0, 3])]);
  add("wrong byte order", turned, /big-endian/, { offset: 4 });
  add("huge count of tensors", await overwrite("tensors.gguf", [8, all]), /number of tensors is \d{20}/, { offset: 8 });
  add("huge count of metadata", await overwrite("metadata.gguf", [16, all]), /number of metadata entries is \d{20}/, { offset: 16 });
  add("huge length of a text", await overwrite("text.gguf", [24, all]), /length of metadata key 1 of 3 is \d{20}/, { offset: 24 });

  await writeFile(file("zero.gguf"), rawGguf({ tensors: [{ name: "pos_embed", shape: [24, 0], type: 0, offset: 0 }], data: 32 }));
  add("a dimension of zero", { diffusionModel: file("zero.gguf") }, /dimension 1 of "pos_embed" is 0/, { offset: 53 }); // ggml divides by it

  // The second tensor's offset, 8 bytes from the end of its entry, set to that of the first.
  const second = bytes.indexOf("x_embedder.proj.weight") + "x_embedder.proj.weight".length + 4 + 4 * 8 + 4;
  const overlap = await overwrite("overlap.gguf", [second, new Uint8Array(8)]);
  add("overlapping tensors", overlap, /the tensors "pos_embed" and "x_embedder.proj.weight" overlap/);

  const sparse = async (name: string, tensors: TensorSpec[]) => {
    await writeSparseGguf(file(name), tensors);
    return { diffusionModel: file(name) };
  };
  const missing = dit().filter(({ name }) => name !== "joint_blocks.7.x_block.mlp.fc1.weight");
  add("missing tensor", await sparse("missing.gguf", missing), /it lacks the tensor "joint_blocks.7.x_block.mlp.fc1.weight"$/);
  const wide = dit().map((spec) => (spec.name === "t_embedder.mlp.2.bias" ? { ...spec, shape: [25] } : spec));
  add("wrong shape", await sparse("shape.gguf", wide), /has "t_embedder.mlp.2.bias" with the shape 25, expected 24$/);

  const tensor = (name: string, ...shape: number[]): TensorSpec => ({ name, shape, type: "f16" });
  const unsupported = { code: "ERR_UNSUPPORTED_MODEL" as const };
  const diffusers = [
    "transformer_blocks.0.attn.add_q_proj.weight",
    "time_text_embed.text_embedder.linear_1.weight",
    "pos_embed.proj.weight",
  ];
  await writeSparseSafetensors(
    file("diffusers.safetensors"),
    diffusers.map((name) => tensor(name, 24, 24)),
  );
  add("diffusers names", { diffusionModel: file("diffusers.safetensors") }, /cannot be used as diffusion model: it has 0 joint blocks/);
  const xl = [
    tensor("model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", 2048, 640),
    tensor("first_stage_model.decoder.conv_in.weight", 3, 3, 4, 512),
  ];
  const { diffusionModel: model } = await sparse("xl.gguf", xl);
  add("other family", { diffusionModel: undefined, model }, /^model: .* is a Stable Diffusion XL, expected/, unsupported);
  add("a LoRA as model", await sparse("lora.gguf", [tensor("lora_unet_x.lora_down.weight", 24, 4)]), /is a LoRA, .*loras$/, unsupported);
  const control = [tensor("controlnet_blocks.0.weight", 24, 24), tensor("pos_embed_input.proj.weight", 2, 2, 16, 24)];
  add("a ControlNet as model", await sparse("control.gguf", control), /is a Stable Diffusion 3 ControlNet, .*not supported$/, unsupported);

  const swapped = { clipL: await clipG(), clipG: good.clipL };
  add("swapped encoders", swapped, /^clipL: .*is a CLIP-G text encoder, expected a CLIP-L .* are clipL and clipG swapped\?$/);
  return defects;
}

/**
 * Runs `work` as a user who may not read this file; undefined when this system offers no such thing. Root may read everything, so that it
 * becomes nobody for the time being.
 */
export async function withoutPermission<T>(file: string, work: () => Promise<T>): Promise<T | undefined> {
  if (process.platform === "win32") return undefined;
  await chmod(file, 0);
  if (process.geteuid?.() !== 0) return work();
  const nobody = 65_534;
  try {
    process.seteuid?.(nobody);
  } catch {
    return undefined; // a container may forbid it
  }
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
