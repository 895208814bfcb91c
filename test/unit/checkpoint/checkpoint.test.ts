import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { optionOf, readCheckpoint, whatIs } from "../../../lib/checkpoint/checkpoint.js";
import { describe as describeFile } from "../../../lib/checkpoint/describe.js";
import { type Metadata, type TensorSpec, writeSparseGguf } from "../../helpers/gguf.js";
import { clip, esrgan, mmdit, prefixed, t5, taesd3, vae } from "../../helpers/layouts.js";
import { kohya, pair, peft } from "../../helpers/loras.js";
import { rawGguf, rawSafetensors } from "../../helpers/raw.js";
import { type SparseOptions, writeSparseSafetensors } from "../../helpers/safetensors.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-checkpoint-"));
});
after(() => rm(folder, { recursive: true, force: true }));

let count = 0;
async function inspect(tensors: TensorSpec[], name = `${count++}.gguf`, metadata?: Metadata) {
  const file = path.join(folder, name);
  await writeSparseGguf(file, tensors, metadata);
  return read(file);
}

async function inspectSafetensors(tensors: TensorSpec[], options?: SparseOptions, name = `${count++}.safetensors`) {
  const file = path.join(folder, name);
  await writeSparseSafetensors(file, tensors, options);
  return read(file);
}

async function read(file: string) {
  const checkpoint = await readCheckpoint(file);
  const { family, kind, layout, license, maxSide, option, parameters, parts } = describeFile(checkpoint, 0);
  assert.equal(kind, whatIs(checkpoint));
  assert.equal(option, optionOf(checkpoint));
  const faults = Object.values(parts).flatMap(({ fault }) => fault ?? []);
  return { family, kind, layout, license, maxSide, option, parameters, parts, names: Object.keys(parts).join(), faults };
}

const tensor = (name: string, ...shape: number[]): TensorSpec => ({ name, shape, type: "f16" });
const renamed = (tensors: TensorSpec[], ...pairs: [RegExp, string | ((...found: string[]) => string)][]) =>
  tensors.map((spec) => ({ ...spec, name: pairs.reduce((name, [from, to]) => name.replace(from, to as string), spec.name) }));

const large = () => mmdit({ depth: 38, hidden: 2432, type: "q8_0" });
const medium = () => mmdit({ depth: 24, hidden: 1536, dual: 13, type: "q4_k" });
const t5xxl = () => t5({ layers: 24, vocabulary: 32_128, feedForward: 10_240, type: "q8_0" });

describe("models of the published sizes", () => {
  test("Large, and Large Turbo by the name or the title", async () => {
    const found = await inspect(large(), "sd3.5_large-Q8_0.gguf");
    assert.deepEqual(
      { ...found, parts: undefined },
      {
        family: "sd3.5-large",
        kind: "Stable Diffusion 3.5 Large",
        layout: "diffusion-only",
        license: { name: "Stability AI Community License", source: "implied" },
        maxSide: 3072,
        option: "diffusionModel",
        parameters: 8_146_280_768, // as published
        parts: undefined,
        names: "diffusion",
        faults: [],
      },
    );
    assert.equal(found.parts.diffusion?.tensors, 923);
    assert.equal(found.parts.diffusion?.types.q8_0, 377);
    assert.equal((await inspect(large(), "sd3.5_large_turbo-Q8_0.gguf")).family, "sd3.5-large-turbo");
    assert.equal((await inspect(large(), undefined, { "general.name": "SD 3.5 Large Turbo" })).family, "sd3.5-large-turbo");
    const official = prefixed("model.diffusion_model.", large());
    const titled = await inspectSafetensors(official, { metadata: { "modelspec.title": "Stable Diffusion 3.5 Large Turbo" } });
    assert.deepEqual(
      [titled.family, titled.layout, titled.option, titled.faults],
      ["sd3.5-large-turbo", "diffusion-only", "diffusionModel", []],
    );
  });

  test("Medium, SD 3 Medium, and the license that a file states", async () => {
    const found = await inspect(medium(), undefined, { "general.license.name": "some license" });
    assert.deepEqual([found.family, found.parameters, found.maxSide], ["sd3.5-medium", 2_469_663_936, 6144]);
    assert.deepEqual(found.license, { name: "some license", source: "metadata" });
    const old = await inspect(mmdit({ depth: 24, hidden: 1536, type: "f16" }));
    assert.deepEqual([old.family, old.kind, old.faults], ["sd3-medium", "Stable Diffusion 3 Medium", []]);
  });

  test("encoders and autoencoders, in all names that the engine reads", async () => {
    const cases: [TensorSpec[], string, string, string][] = [
      [clip("l"), "CLIP-L text encoder", "clipL", "part"],
      [clip("g"), "CLIP-G text encoder", "clipG", "part"],
      [prefixed("text_encoders.clip_g.transformer.", clip("g")), "CLIP-G text encoder", "clipG", "part"],
      [t5xxl(), "T5-XXL text encoder", "t5xxl", "part"],
      [llamaNames(t5xxl()), "T5-XXL text encoder", "t5xxl", "llama.cpp"],
      [vae(128), "VAE", "vae", "part"],
      [prefixed("vae.", vae(32)), "VAE", "vae", "part"],
      [diffusersNames(vae(128)), "VAE", "vae", "diffusers"],
      [taesd3(), "TAESD3", "taesd", "part"],
      [prefixed("tae.", taesd3()), "TAESD3", "taesd", "part"],
    ];
    for (const [tensors, kind, option, layout] of cases) {
      const gguf = await inspect(tensors);
      assert.deepEqual([gguf.kind, gguf.option, gguf.layout, gguf.faults], [kind, option, layout, []], tensors[0]?.name);
      const safetensors = await inspectSafetensors(tensors, { dtype: "F8_E4M3" });
      assert.deepEqual([safetensors.kind, safetensors.option, safetensors.faults], [kind, option, []], tensors[0]?.name);
    }
  });

  test("several parts in one file", async () => {
    const parts = [...prefixed("model.diffusion_model.", medium()), ...prefixed("first_stage_model.", vae(128))];
    const found = await inspect(parts);
    assert.deepEqual([found.layout, found.option, found.names, found.faults], ["all-in-one", "model", "diffusion,vae", []]);
    const all = await inspect([
      ...parts,
      ...prefixed("text_encoders.clip_l.transformer.", clip("l")),
      ...prefixed("text_encoders.clip_g.transformer.", clip("g")),
      ...prefixed("text_encoders.t5xxl.transformer.", t5xxl()),
    ]);
    assert.deepEqual([all.names, all.faults, all.family], ["diffusion,vae,clipL,clipG,t5xxl", [], "sd3.5-medium"]);
  });
});

/** As llama.cpp names a T5 encoder. */
function llamaNames(tensors: TensorSpec[]): TensorSpec[] {
  return renamed(
    tensors,
    [/^shared\./, "token_embd."],
    [/^encoder\.final_layer_norm\./, "enc.output_norm."],
    [/^encoder\.block\./, "enc.blk."],
    [/layer\.0\.SelfAttention\.relative_attention_bias/, "attn_rel_b"],
    [/layer\.0\.SelfAttention\.([qkvo])/, "attn_$1"],
    [/layer\.0\.layer_norm/, "attn_norm"],
    [/layer\.1\.layer_norm/, "ffn_norm"],
    [/layer\.1\.DenseReluDense\.wi_0/, "ffn_gate"],
    [/layer\.1\.DenseReluDense\.wi_1/, "ffn_up"],
    [/layer\.1\.DenseReluDense\.wo/, "ffn_down"],
  );
}

/** As diffusers names the VAE, whose attention it has as matrix products. */
function diffusersNames(tensors: TensorSpec[]): TensorSpec[] {
  const attention = { q: "to_q", k: "to_k", v: "to_v", proj_out: "to_out.0", norm: "group_norm" };
  const names = renamed(
    tensors,
    [/^encoder\.down\.(\d)\.block\./, "encoder.down_blocks.$1.resnets."],
    [/^encoder\.down\.(\d)\.downsample\./, "encoder.down_blocks.$1.downsamplers.0."],
    [/^decoder\.up\.(\d)\.block\./, (_, level = "") => `decoder.up_blocks.${3 - Number(level)}.resnets.`],
    [/^decoder\.up\.(\d)\.upsample\./, (_, level = "") => `decoder.up_blocks.${3 - Number(level)}.upsamplers.0.`],
    [/\.mid\.block_(\d)\./, (_, block = "") => `.mid_block.resnets.${Number(block) - 1}.`],
    [/\.mid\.attn_1\.(q|k|v|proj_out|norm)\./, (_, part = "") => `.mid_block.attentions.0.${attention[part as keyof typeof attention]}.`],
    [/\.nin_shortcut\./, ".conv_shortcut."],
    [/\.norm_out\./, ".conv_norm_out."],
  );
  return names.map((spec) => (/attentions\.0\.to_.*weight$/.test(spec.name) ? { ...spec, shape: spec.shape.slice(2) } : spec));
}

describe("other models are named", () => {
  const cases: [string, TensorSpec[]][] = [
    ["LoRA", pair("lora_unet_joint_blocks_0_x_block_attn_qkv", 24, 72, kohya)],
    ["LoRA", pair("transformer.transformer_blocks.0.attn.to_q", 24, 24, peft)],
    ["LoRA", [tensor("lora_unet_x.hada_w1_a", 4, 4), tensor("lora_unet_x.hada_w1_b", 4, 4)]],
    ["Stable Diffusion 3 ControlNet", [tensor("controlnet_blocks.0.weight", 8, 8), tensor("pos_embed_input.proj.weight", 2, 2, 16, 8)]],
    ["ControlNet", [tensor("control_model.input_hint_block.0.weight", 3, 3, 3, 16)]],
    ["ControlNet", [tensor("controlnet_cond_embedding.conv_in.weight", 3, 3, 3, 16)]],
    ["ESRGAN upscaler", esrgan(4)],
    ["textual inversion", [tensor("emb_params", 768, 4)]],
    ["FLUX", [tensor("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", 8, 8)]],
    ["FLUX", [tensor("single_transformer_blocks.0.attn.to_q.weight", 8, 8)]],
    ["FLUX.2", [tensor("double_stream_modulation_img.lin.weight", 8, 8), tensor("double_blocks.0.img_attn.qkv.weight", 8, 8)]],
    ["Qwen-Image", [tensor("transformer_blocks.0.img_mod.1.weight", 8, 8)]],
    ["PixArt", [tensor("t_block.1.weight", 8, 8), tensor("y_embedder.y_proj.fc1.weight", 8, 8)]],
    ["Wan", [tensor("model.diffusion_model.blocks.0.cross_attn.norm_k.weight", 8)]],
    ["Stable Diffusion 1.x", unet(768)],
    ["Stable Diffusion 2.x", unet(1024)],
    ["Stable Diffusion XL", unet(2048)],
    ["Stable Diffusion XL", [tensor("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight", 2048, 640)]],
    ["CLIP text encoder of width 1024 (SD 2.x)", [tensor("text_model.embeddings.token_embedding.weight", 1024, 8)]],
    ["CLIP vision encoder", [tensor("vision_model.encoder.layers.0.self_attn.q_proj.weight", 8, 8)]],
    ["T5 text encoder of width 768", [tensor("shared.weight", 768, 8), tensor("encoder.block.0.layer.0.SelfAttention.q.weight", 768, 768)]],
    ["UMT5 text encoder (Wan)", [tensor("token_embd.weight", 4096, 256_384), tensor("enc.blk.0.attn_q.weight", 4096, 8)]],
    [
      "VAE with 4 latent channels (SD 1.x, 2.x or SDXL)",
      [tensor("decoder.conv_in.weight", 3, 3, 4, 512), tensor("decoder.mid.block_1.conv1.weight", 3, 3, 8, 8)],
    ],
    [
      "TAESD with 4 latent channels",
      [tensor("decoder.layers.0.weight", 3, 3, 4, 64), tensor("decoder.layers.2.conv.0.weight", 3, 3, 64, 64)],
    ],
    ["language model", [tensor("blk.0.attn_q.weight", 8, 8)]],
    ["unknown kind of model", [tensor("nothing.known", 8, 8)]],
  ];
  for (const [kind, tensors] of cases) {
    test(`${kind}: ${tensors[0]?.name}`, async () => {
      const found = await inspect(tensors);
      assert.deepEqual([found.kind, found.option, found.family], [kind, undefined, undefined]);
      assert.equal(Object.values(found.parts)[0]?.tensors, tensors.length);
      assert.equal(found.layout, "foreign");
    });
  }

  /** With a VAE of its own, as published. */
  function unet(context: number): TensorSpec[] {
    return [
      tensor("model.diffusion_model.input_blocks.0.0.weight", 3, 3, 4, 320),
      tensor("model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", context, 640),
      tensor("first_stage_model.decoder.conv_in.weight", 3, 3, 4, 512),
      tensor("first_stage_model.decoder.up.0.block.0.conv1.weight", 3, 3, 8, 8),
    ];
  }
});

describe("faults that the engine would trip over", () => {
  const without = (tensors: TensorSpec[], name: string) => tensors.filter((spec) => spec.name !== name);
  const reshaped = (tensors: TensorSpec[], name: string, ...shape: number[]) =>
    tensors.map((spec) => (spec.name === name ? { ...spec, shape, type: "f16" as const } : spec));
  const small = (change: object = {}) => mmdit({ depth: 24, hidden: 24, type: "f16", ...change });

  const cases: [TensorSpec[], RegExp | undefined][] = [
    [small(), undefined],
    [without(small(), "t_embedder.mlp.0.bias"), /^lacks the tensor "t_embedder.mlp.0.bias"$/],
    [
      small().filter(({ name }) => !/joint_blocks.7./.test(name)),
      /^lacks the tensor "joint_blocks.7.context_block.attn.qkv.weight" and 23 others$/,
    ],
    [prefixed("model.diffusion_model.", without(small(), "pos_embed")), /^lacks the tensor "model.diffusion_model.pos_embed"$/],
    [mmdit({ depth: 23, hidden: 23, type: "f16" }), /^has 23 joint blocks, expected 24 \(Medium\) or 38 \(Large\)$/],
    [
      reshaped(mmdit({ depth: 38, hidden: 38, type: "f16" }), "x_embedder.proj.weight", 2, 2, 16, 48),
      /^is 48 wide, which is no multiple of its 38 attention heads$/,
    ],
    [reshaped(small(), "pos_embed", 24, 4096, 1), /^has "pos_embed" with the shape 24x4096x1, expected 24x36864$/],
    [small({ dual: 13 }).map((spec) => (spec.name === "pos_embed" ? { ...spec, shape: [24, 36_864, 1] } : spec)), /expected 24x147456$/],
    [
      small({ dual: 13 }).filter(({ name }) => !/joint_blocks.4.x_block.attn2/.test(name)),
      /^lacks the tensor "joint_blocks.4.x_block.attn2/,
    ],
    [reshaped(small(), "context_embedder.weight", 2048, 24), /context_embedder.weight" with the shape 2048x24, expected 4096x24$/],
    [
      clip("l").filter(({ name }) => !/layers.11/.test(name)),
      /^lacks the tensor "text_model.encoder.layers.11.layer_norm1.weight" and 15 others$/,
    ],
    [without(clip("g"), "text_projection.weight"), /^lacks the tensor "text_projection"$/],
    [without(t5xxl(), "shared.weight"), /^lacks the tensor "shared.weight"$/],
    [without(vae(), "encoder.conv_in.weight"), /^lacks the tensor "encoder.conv_in.weight"$/],
    [vae().filter(({ name }) => name.startsWith("decoder.")), /^lacks the tensor "encoder.conv_in.weight" and 105 others$/],
    [reshaped(taesd3(), "decoder.layers.18.weight", 3, 3, 64, 4), /with the shape 3x3x64x4, expected 3x3x64x3$/],
  ];
  for (const [i, [tensors, message]] of cases.entries()) {
    test(`${message ?? "none"} (${i})`, async () => {
      const { faults } = await inspect(tensors);
      if (message) assert.match(faults.join("; "), message);
      else assert.deepEqual(faults, []);
    });
  }

  test("types that the engine cannot read or compute with", async () => {
    const file = path.join(folder, "types.safetensors");
    const tensors = (extra: object) => ({ ...Object.fromEntries(entries(taesd3())), ...extra });
    const write = (header: object, bytes: number) => writeFile(file, rawSafetensors(header, bytes));
    const bytes = 2 * taesd3().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
    const odd = (dtype: string) => tensors({ note: { dtype, shape: [2], data_offsets: [bytes, bytes + 4] } });
    await write(odd("F16"), bytes + 4);
    assert.deepEqual((await read(file)).faults, []);
    const whole = (name: string) => ({ ...(tensors({}) as Record<string, object>)[name], dtype: "I32" });
    await write(tensors({ "encoder.layers.14.bias": { ...whole("encoder.layers.14.bias"), shape: [8] } }), bytes);
    assert.match((await read(file)).faults.join(), /of type i32, expected a float/);

    const raw = taesd3().map(({ name, shape }) => ({ name, shape, bytes: 4 * shape.reduce((a, b) => a * b) }));
    let offset = 0;
    const placed = raw.map(({ bytes, ...spec }) => {
      offset += Math.ceil(bytes / 32) * 32;
      return { ...spec, type: spec.name === "decoder.layers.18.bias" ? 26 : 0, offset: offset - Math.ceil(bytes / 32) * 32 };
    });
    await writeFile(file, rawGguf({ tensors: placed, data: offset }));
    assert.match((await read(file)).faults.join(), /^has "decoder.layers.18.bias" of type i32, expected a float or quantized type$/);
  });

  function entries(specs: TensorSpec[]) {
    let end = 0;
    return specs.map(({ name, shape }) => {
      const begin = end;
      end += 2 * shape.reduce((a, b) => a * b);
      return [name, { dtype: "F16", shape: [...shape].reverse(), data_offsets: [begin, end] }] as const;
    });
  }

  test("a position table of another size is read from safetensors, where its shape is whole", async () => {
    const other = small().map((spec) => (spec.name === "pos_embed" ? { ...spec, shape: [24, 64 * 64, 1] } : spec));
    const found = await inspectSafetensors(other);
    assert.deepEqual([found.faults, found.maxSide], [[], 1024]);
  });
});
