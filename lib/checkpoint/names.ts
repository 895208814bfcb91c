import type { TensorInfo } from "./tensors.js";

/** Names of other programs as the original ones: llama.cpp's T5, diffusers' VAE, and transformers' CLIP without its model's name. */
export type Renaming = [pattern: RegExp, replacement: string | ((found: string, ...groups: string[]) => string)];

export function rename(name: string, renamings: readonly Renaming[]): string {
  return renamings.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement as string), name);
}

export const llamaNames: Renaming[] = [
  [/^token_embd\./, "shared."],
  [/^enc\.output_norm\./, "encoder.final_layer_norm."],
  [/^enc\.blk\.(\d+)\./, "encoder.block.$1."],
  [/\.attn_([qkvo])\./, ".layer.0.SelfAttention.$1."],
  [/\.attn_rel_b\./, ".layer.0.SelfAttention.relative_attention_bias."],
  [/\.attn_norm\./, ".layer.0.layer_norm."],
  [/\.ffn_norm\./, ".layer.1.layer_norm."],
  [/\.ffn_gate\./, ".layer.1.DenseReluDense.wi_0."],
  [/\.ffn_up\./, ".layer.1.DenseReluDense.wi_1."],
  [/\.ffn_down\./, ".layer.1.DenseReluDense.wo."],
];

/** The table of tokens has two names, of which a file may have either. */
export function t5Names(group: ReadonlyMap<string, TensorInfo>): Renaming[] {
  return group.has("shared.weight") ? [] : [[/^encoder\.embed_tokens\.weight$/, "shared.weight"]];
}

/** transformers writes a CLIPTextModel of its own without "text_model."; text_model.text_projection is stable-diffusion.cpp's. */
export const clipNames: Renaming[] = [
  [/^(?=(embeddings|encoder|final_layer_norm)\.)/, "text_model."],
  [/^text_projection$/, "text_projection (as OpenCLIP has it: transposed)"],
  [/^((text_model\.)?text_projection\.weight|text_model\.text_projection)$/, "text_projection"],
];

const attentionNames: Record<string, string> = {
  group_norm: "norm",
  to_q: "q",
  query: "q",
  to_k: "k",
  key: "k",
  to_v: "v",
  value: "v",
  "to_out.0": "proj_out",
  proj_attn: "proj_out",
};

export const vaeNames: Renaming[] = [
  [/^encoder\.down_blocks\.(\d)\.resnets\./, "encoder.down.$1.block."],
  [/^encoder\.down_blocks\.(\d)\.downsamplers\.0\./, "encoder.down.$1.downsample."],
  // The decoder's levels are counted from the other end.
  [/^decoder\.up_blocks\.([0-3])\.resnets\./, (_, level = "") => `decoder.up.${3 - Number(level)}.block.`],
  [/^decoder\.up_blocks\.([0-3])\.upsamplers\.0\./, (_, level = "") => `decoder.up.${3 - Number(level)}.upsample.`],
  [/\.mid_block\.resnets\.([01])\./, (_, block = "") => `.mid.block_${Number(block) + 1}.`],
  [
    /\.mid_block\.attentions\.0\.(group_norm|to_[qkv]|to_out\.0|query|key|value|proj_attn)\./,
    (_, name = "") => `.mid.attn_1.${attentionNames[name]}.`,
  ],
  [/\.conv_shortcut\./, ".nin_shortcut."],
  [/\.conv_norm_out\./, ".norm_out."],
];
