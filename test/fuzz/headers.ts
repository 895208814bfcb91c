import assert from "node:assert/strict";
import { classify } from "../../lib/checkpoint/checkpoint.js";
import { describe } from "../../lib/checkpoint/describe.js";
import { readAdapter } from "../../lib/checkpoint/lora/adapter.js";
import { planOf } from "../../lib/checkpoint/lora/plan.js";
import { addDescriptions, findQuantization } from "../../lib/checkpoint/quantization.js";
import { readSource } from "../../lib/checkpoint/reader.js";
import { mostTensors, type TensorInfo } from "../../lib/checkpoint/tensors.js";
import { ModelFileError } from "../../lib/errors.js";
import { MemorySource } from "../helpers/memory-source.js";
import { RandomBytes } from "../helpers/random.js";
import { rawGguf, rawSafetensors, tagged, text, u8, u32, u64 } from "../helpers/raw.js";
import { mutate } from "./mutate.js";

const tensors = Array.from({ length: 12 }, (_, i) => ({
  name: `joint_blocks.${i}.weight`,
  shape: [64, 2],
  type: [0, 1, 2, 8][i % 4] ?? 0,
}));
const sizes = [512, 256, 72, 136];

const manyWords: [string, Buffer] = [
  "many.words",
  tagged.array(
    8,
    Array.from({ length: 1100 }, (_, i) => text(i % 7 ? "a" : "")),
  ),
];

/** Valid files, small ones, so that a change hits something that matters. */
export const valid: readonly Buffer[] = [
  gguf(3, 32),
  gguf(2, 64),
  safetensors(),
  rawGguf(),
  rawSafetensors("{}"),
  scaled(),
  named(),
  lora(),
];

/** Of several kinds and tools, with alphas in its metadata. */
function lora(): Buffer {
  const shapes: Record<string, number[]> = {
    "transformer.transformer_blocks.0.attn.to_q.lora_A.weight": [2, 4],
    "transformer.transformer_blocks.0.attn.to_q.lora_B.weight": [4, 2],
    "transformer.transformer_blocks.0.attn.to_q.lora_magnitude_vector": [4],
    "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": [1, 4],
    "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": [4, 1],
    "lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha": [],
    "lycoris_transformer_blocks_1_ff_net_2.lokr_w1": [2, 2],
    "lycoris_transformer_blocks_1_ff_net_2.lokr_w2_a": [2, 1],
    "lycoris_transformer_blocks_1_ff_net_2.lokr_w2_b": [1, 2],
    "lora_unet_joint_blocks_0_x_block_attn_proj.hada_w1_a": [4, 1],
    "lora_unet_joint_blocks_0_x_block_attn_proj.hada_w1_b": [1, 4],
    "lora_unet_joint_blocks_0_x_block_attn_proj.hada_w2_a": [4, 1],
    "lora_unet_joint_blocks_0_x_block_attn_proj.hada_w2_b": [1, 4],
    "lora_unet_joint_blocks_1_x_block_attn_proj.a1.weight": [4, 1],
    "lora_unet_joint_blocks_1_x_block_attn_proj.a2.weight": [1, 4],
    "lora_unet_joint_blocks_1_x_block_attn_proj.b1.weight": [4, 1],
    "lora_unet_joint_blocks_1_x_block_attn_proj.b2.weight": [1, 4],
    "transformer.norm_out.linear.diff": [2, 2],
    "transformer.norm_out.linear.diff_b": [4],
  };
  const config = { "transformer.lora_alpha": 8, "transformer.alpha_pattern": { "(to_q|to_k)": 4, "^transformer_blocks\\.\\d+.*": 2 } };
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { lora_adapter_metadata: JSON.stringify(config) } };
  for (const [name, shape] of Object.entries(shapes)) {
    const begin = end;
    end += shape.reduce((product, length) => product * length, 4);
    header[name] = { dtype: "F32", shape, data_offsets: [begin, end] };
  }
  return Buffer.concat([rawSafetensors(header), Buffer.alloc(end)]);
}

function gguf(version: number, alignment: number): Buffer {
  let offset = 0;
  const placed = tensors.map((tensor, i) => {
    const at = offset;
    offset += Math.ceil((sizes[i % 4] ?? 0) / alignment) * alignment;
    return { ...tensor, offset: at };
  });
  const metadata: [string, Buffer][] = [
    ["general.architecture", tagged.text("sd3")],
    ["general.alignment", tagged.u32(alignment)],
    ["a.bool", Buffer.concat([u32(7), u8(1)])],
    ["a.float", Buffer.concat([u32(6), u32(0x3f800000)])],
    ["a.big", Buffer.concat([u32(10), u64(2n ** 40n)])],
    ["some.strings", tagged.array(8, ["a", "größe"].map(text))],
    ...(version === 2 ? [manyWords] : []),
    ["some.numbers", tagged.array(5, [1, 2, 3].map(u32))],
    [
      "many.numbers",
      tagged.array(
        0,
        Array.from({ length: 1100 }, () => u8(7)),
      ),
    ],
  ];
  return rawGguf({ version, metadata, tensors: placed, alignment, data: offset });
}

function safetensors(): Buffer {
  let offset = 0;
  const entries = tensors.map(({ name, shape }, i) => {
    const dtype = ["F32", "F16", "BF16", "F8_E4M3"][i % 4] ?? "";
    const begin = offset;
    offset += 128 * ([4, 2, 2, 1][i % 4] ?? 0);
    return [name, { dtype, shape, data_offsets: [begin, offset] }] as const;
  });
  return rawSafetensors({ __metadata__: { format: "pt", note: 'größe "\\' }, ...Object.fromEntries(entries) }, offset);
}

/** fp8 with factors, described in both ways. */
function scaled(): Buffer {
  const layers = ["model.diffusion_model.joint_blocks.0.x_block.mlp.fc1", "encoder.block.0.layer.0.SelfAttention.q"];
  const description = JSON.stringify({ format: "float8_e4m3fn", full_precision_matrix_mult: true });
  let end = 0;
  const entry = (dtype: string, shape: number[], bytes: number) => {
    end += bytes;
    return { dtype, shape, data_offsets: [end - bytes, end] };
  };
  const entries = layers.flatMap((layer) => [
    [`${layer}.weight`, entry("F8_E4M3", [4, 8], 32)] as const,
    [`${layer}.weight_scale`, entry("F32", [4, 1], 16)] as const,
    [`${layer}.comfy_quant`, entry("U8", [description.length], description.length)] as const,
  ]);
  const format = { layers: Object.fromEntries(layers.map((layer) => [layer, { format: "float8_e4m3fn" }])) };
  const metadata = { _quantization_metadata: JSON.stringify(format), scaled_fp8: '"_type": "Tensor"' };
  const file = rawSafetensors({ __metadata__: metadata, ...Object.fromEntries(entries), scaled_fp8: entry("F8_E4M3", [0], 0) }, end);
  for (let at = file.length - end; at < file.length; at += end / layers.length) file.write(description, at + 48);
  return file;
}

/** Names of all parts, in the spellings of all programs. */
function named(): Buffer {
  const names = [
    "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight",
    "transformer.transformer_blocks.0.attn.add_q_proj.weight",
    "transformer.transformer_blocks.0.attn.to_q.weight",
    "transformer.transformer_blocks.0.attn.to_k.weight",
    "transformer.transformer_blocks.0.attn.to_v.weight",
    "transformer.norm_out.linear.weight",
    "clip_l.transformer.text_model.embeddings.token_embedding.weight",
    "te2.embeddings.token_embedding.weight",
    "t5.encoder.block.0.layer.0.SelfAttention.q.weight",
    "enc.blk.0.attn_q.weight",
    "first_stage_model.decoder.mid.attn_1.q.weight",
    "vae.decoder.mid_block.attentions.0.to_q.weight",
    "tae.decoder.layers.2.conv.0.weight",
    "model_ema.joint_blocks.0.x_block.attn.qkv.weight",
    "x.qweight",
    "x.absmax",
  ];
  const entries = names.map((name, i) => [name, { dtype: "F16", shape: [4, 4], data_offsets: [32 * i, 32 * i + 32] }] as const);
  return rawSafetensors(Object.fromEntries(entries), 32 * names.length);
}

/** The mutated file of one case. */
export function fuzzCase(seed: string, number: number): Buffer {
  const random = new RandomBytes(`${seed}/${number}`);
  const base = valid[number % valid.length] as Buffer;
  return mutate(base, random);
}

/** Reads one file: either it is read and keeps all promises, or it is refused by a typed error with a place. Returns whether it was read. */
export async function checkCase(data: Buffer): Promise<boolean> {
  const source = new MemorySource(data);
  try {
    const header = await readSource(source);
    checkTensors(header?.tensors ?? [], data.length); // none of a pickle
    const quantization = header && findQuantization(header);
    const contents = quantization?.described.map(({ offset, bytes, ...tensor }) => {
      return [{ offset, bytes, ...tensor }, data.subarray(offset, offset + bytes).toString()] as const;
    });
    if (header && quantization) addDescriptions(quantization, header, new Map(contents));
    const { parameters, tensors } = describe(classify(source.name, header, { quantization }), data.length);
    assert.ok(Number.isSafeInteger(parameters), `${parameters} parameters`);
    assert.ok((tensors?.refused?.reason.length ?? 0) < 1000, "the reason repeats the file");
    const adapter = header && readAdapter(header);
    if (adapter?.fault === undefined && adapter?.changes.length) JSON.parse(planOf(adapter, data.length));
    return header !== undefined;
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    assert.ok(error instanceof ModelFileError, `not a ModelFileError: ${error instanceof Error ? error.stack : error}`);
    assert.ok(Number.isSafeInteger(error.offset) && (error.offset ?? -1) >= 0, `offset ${error.offset}`);
    assert.ok(error.message.length < 4000, "the message repeats the file");
    return false;
  } finally {
    assert.ok(source.bytesRead <= data.length + 64 && source.reads <= 8, `${source.reads} reads of ${source.bytesRead} bytes`);
  }
}

function checkTensors(tensors: readonly TensorInfo[], size: number): void {
  assert.ok(tensors.length <= mostTensors);
  assert.equal(new Set(tensors.map(({ name }) => name)).size, tensors.length, "names are unique");
  let end = 0;
  for (const { name, shape, offset, bytes } of tensors.filter((tensor) => tensor.bytes > 0).sort((a, b) => a.offset - b.offset)) {
    assert.ok(name !== "" && shape.every((length) => Number.isSafeInteger(length) && length > 0), `${name}: ${shape}`);
    assert.ok(offset >= end && offset + bytes <= size, `${name} at ${offset} with ${bytes} bytes`);
    end = offset + bytes;
  }
}
