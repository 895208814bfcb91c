import type { PartName } from "../types/index.js";
import type { TensorInfo } from "./tensors.js";

/** Whose names the tensors have. The engine translates those of diffusers' VAE and llama.cpp's T5; diffusers' transformer it refuses. */
export type Naming = "original" | "diffusers" | "llama.cpp";

export interface Part {
  name: PartName;
  /** What stands before the original names in the file, such as "model.diffusion_model."; empty in a file that holds one part alone. */
  prefix: string;
  naming: Naming;
  /** By original name. */
  tensors: Map<string, TensorInfo>;
}

export interface Contents {
  parts: Part[];
  /** What looks like a part, but is another model's: "VAE with 4 latent channels". */
  lookalike?: string;
}

/** Prefixes of checkpoints that hold several parts, and those that the engine itself puts before the names of a single part. */
const containers: [prefix: string, part: PartName][] = [
  ["model.diffusion_model.", "diffusion"],
  ["text_encoders.clip_l.transformer.", "clipL"],
  ["text_encoders.clip_g.transformer.", "clipG"],
  ["text_encoders.t5xxl.transformer.", "t5xxl"],
  ["first_stage_model.", "vae"],
  ["vae.", "vae"],
  ["tae.", "taesd"],
];

/** Finds the parts of Stable Diffusion 3 in a checkpoint's tensors. */
export function findParts(tensors: readonly TensorInfo[]): Contents {
  const groups = new Map<string, Map<string, TensorInfo>>();
  for (const tensor of tensors) {
    const [prefix = ""] = containers.find(([candidate]) => tensor.name.startsWith(candidate)) ?? [];
    const group = groups.get(prefix) ?? new Map<string, TensorInfo>();
    groups.set(prefix, group.set(tensor.name.slice(prefix.length), tensor));
  }
  const contents: Contents = { parts: [] };
  for (const [prefix, group] of groups) {
    const found = identify(group);
    if (found && "lookalike" in found) contents.lookalike ??= found.lookalike;
    else if (found) {
      const { naming } = found;
      const name = containers.find(([candidate]) => candidate === prefix)?.[1] ?? found.name;
      const named = new Map([...group].map(([key, tensor]) => [originalName(key, name, naming), tensor]));
      contents.parts.push({ name, prefix, naming, tensors: named });
    }
  }
  return contents;
}

interface Identity {
  name: PartName;
  naming: Naming;
}

/** Which part a group of tensors is, by the names that only this part has and by its width. */
function identify(group: ReadonlyMap<string, TensorInfo>): Identity | { lookalike: string } | undefined {
  const shapeOf = (pattern: RegExp) => [...group].find(([name]) => pattern.test(name))?.[1].shape;
  if (shapeOf(/^joint_blocks\.\d+\.(x|context)_block\./)) return { name: "diffusion", naming: "original" };

  const [clipWidth] = shapeOf(/^text_model\.(embeddings\.token_embedding|.*layer_norm1)\.weight$/) ?? [];
  if (clipWidth === 768) return { name: "clipL", naming: "original" };
  if (clipWidth === 1280) return { name: "clipG", naming: "original" };
  if (clipWidth !== undefined) return { lookalike: `CLIP text encoder of width ${clipWidth}${clipWidth === 1024 ? " (SD 2.x)" : ""}` };

  const [t5Width, vocabulary] = shapeOf(/^(shared|token_embd|encoder\.embed_tokens)\.weight$/) ?? [];
  const llama = shapeOf(/^enc\.blk\.\d+\.attn_q\.weight$/) !== undefined;
  if (llama || shapeOf(/^encoder\.block\.\d+\.layer\.0\.SelfAttention\.q\.weight$/)) {
    if (vocabulary === 256_384) return { lookalike: "UMT5 text encoder (Wan)" };
    if (t5Width !== undefined && t5Width !== 4096) return { lookalike: `T5 text encoder of width ${t5Width}` };
    return { name: "t5xxl", naming: llama ? "llama.cpp" : "original" };
  }

  const diffusers = shapeOf(/^(en|de)coder\.(mid_block|up_blocks|down_blocks)\./) !== undefined;
  if (diffusers || shapeOf(/^(en|de)coder\.(mid\.|up\.\d|down\.\d)/)) {
    const channels = shapeOf(/^decoder\.conv_in\.weight$/)?.[2];
    if (channels !== undefined && channels !== 16) {
      return { lookalike: `VAE with ${channels} latent channels${channels === 4 ? " (SD 1.x, 2.x or SDXL)" : ""}` };
    }
    return { name: "vae", naming: diffusers ? "diffusers" : "original" };
  }

  if (shapeOf(/^(en|de)coder\.layers\.\d+\.conv\.0\.weight$/)) {
    const channels = shapeOf(/^decoder\.layers\.0\.weight$/)?.[2];
    if (channels !== undefined && channels !== 16) return { lookalike: `TAESD with ${channels} latent channels` };
    return { name: "taesd", naming: "original" };
  }
  return undefined;
}

function originalName(name: string, part: PartName, naming: Naming): string {
  if (part === "t5xxl" && naming === "llama.cpp") return rename(name, t5Names);
  if (part === "vae" && naming === "diffusers") return rename(name, vaeNames);
  if (part === "clipG" || part === "clipL") return name.replace(/^(text_model\.)?text_projection(\.weight)?$/, "text_projection");
  return name;
}

type Renaming = [pattern: RegExp, replacement: string | ((found: string, ...groups: string[]) => string)];

function rename(name: string, renamings: readonly Renaming[]): string {
  return renamings.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement as string), name);
}

const t5Names: Renaming[] = [
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

const vaeNames: Renaming[] = [
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
