import type { PartName } from "../types/index.js";
import { originalTransformer } from "./diffusers.js";
import { reasonOf } from "./effects.js";
import { clipNames, llamaNames, rename, t5Names, vaeNames } from "./names.js";
import { collect, type TensorInfo, type Weight } from "./tensors.js";

/** Whose names the tensors have. The engine translates those of diffusers' VAE and llama.cpp's T5 itself. */
export type Naming = "original" | "diffusers" | "llama.cpp";

export interface Part {
  name: PartName;
  /** What stands before the part's names in the file, such as "model.diffusion_model."; often empty in a file of one part. */
  prefix: string;
  naming: Naming;
  /** What is to be read, by original name. */
  tensors: Map<string, Weight>;
  /** Tensors that change no picture, by the reason. */
  idle: Map<string, TensorInfo[]>;
  /** The engine does not know these names for the original ones. */
  renamed: boolean;
}

export interface Contents {
  parts: Part[];
  /** Tensors of no part that change no picture, by the reason. */
  idle: Map<string, TensorInfo[]>;
  /** Tensors of no part of which nothing is known. */
  strangers: TensorInfo[];
  /** Tensors that make what another one makes already: the one that counts, and the other. */
  rivals: [first: TensorInfo, other: TensorInfo][];
  /** What looks like a part, but is another model's: "VAE with 4 latent channels". */
  lookalike?: string;
  /** Prefixes of one part that the file has twice. */
  twice?: [part: PartName, first: string, second: string];
}

type Group = Map<string, TensorInfo>;

/** Averaged copies of the weights that trainers keep beside them. */
const averaged = /(?:^|[._])ema(?:[._]|$)/i;

// What only one part has, wherever in a name it begins: "" or "…." before it is the container's prefix.
const anchors: [kind: "mmdit" | "diffusers" | "clip" | "t5" | "llama" | "vae" | "diffusersVae" | "taesd", pattern: RegExp][] = [
  ["mmdit", /^(|.*?\.)joint_blocks\.\d+\.(?:x|context)_block\./],
  ["diffusers", /^(|.*?\.)transformer_blocks\.\d+\.attn\.(?:add_q_proj|to_added_qkv)\./],
  ["clip", /^(|.*?\.)text_model\.(?:embeddings\.token_embedding|encoder\.layers\.\d+\.layer_norm1)\.weight$/],
  ["clip", /^(|.*?\.)(?<!text_model\.)embeddings\.token_embedding\.weight$/],
  ["t5", /^(|.*?\.)encoder\.block\.\d+\.layer\.0\.SelfAttention\.q\.weight$/],
  ["llama", /^(|.*?\.)enc\.blk\.\d+\.attn_q\.weight$/],
  ["vae", /^(|.*?\.)(?:en|de)coder\.(?:mid\.|(?:up|down)\.\d+\.)/],
  ["diffusersVae", /^(|.*?\.)(?:en|de)coder\.(?:mid_block|(?:up|down)_blocks)\./],
  ["taesd", /^(|.*?\.)(?:en|de)coder\.layers\.\d+\.conv\.0\.weight$/],
];

/** Finds the parts of Stable Diffusion 3 in a checkpoint's tensors, under whatever prefixes its makers gave them. */
export function findParts(tensors: readonly TensorInfo[]): Contents {
  const contents: Contents = { parts: [], idle: new Map(), strangers: [], rivals: [] };
  const found = findPrefixes(tensors);
  const groups = groupBy(tensors, new Set(found.map(([, prefix]) => prefix)));
  for (const [kind, prefix] of found) {
    const identity = identify(kind, groups.get(prefix) ?? new Map());
    if ("lookalike" in identity) {
      contents.lookalike ??= identity.lookalike;
      continue;
    }
    const { name, naming } = identity;
    const other = contents.parts.find((part) => part.name === name);
    if (other) contents.twice ??= [name, other.prefix, prefix];
    else contents.parts.push({ name, prefix, naming, tensors: new Map(), idle: new Map(), renamed: false });
  }
  for (const [prefix, group] of groups) share(contents, prefix, group);
  for (const part of contents.parts)
    if (part.naming === "diffusers" && part.name === "diffusion") part.tensors = originalTransformer(part.tensors, contents.rivals);
  return contents;
}

/** Which parts there may be, and what stands before their names. */
function findPrefixes(tensors: readonly TensorInfo[]): [kind: (typeof anchors)[number][0], prefix: string][] {
  const found = new Map<string, [(typeof anchors)[number][0], string]>();
  for (const { name } of tensors) {
    for (const [kind, pattern] of anchors) {
      const [, prefix] = pattern.exec(name) ?? [];
      if (prefix === undefined || averaged.test(prefix)) continue;
      found.set(`${kind} ${prefix}`, [kind, prefix]);
      break;
    }
  }
  return [...found.values()];
}

/** By the longest prefix that fits; `undefined` for those that none fits. */
function groupBy(tensors: readonly TensorInfo[], prefixes: ReadonlySet<string>): Map<string | undefined, Group> {
  const longestFirst = [...prefixes].sort((a, b) => b.length - a.length);
  const groups = new Map<string | undefined, Group>();
  for (const tensor of tensors) {
    const prefix = longestFirst.find((candidate) => tensor.name.startsWith(candidate));
    const group: Group = groups.get(prefix) ?? new Map();
    groups.set(prefix, group.set(tensor.name.slice(prefix?.length ?? 0), tensor));
  }
  return groups;
}

/** Gives a group's tensors to the parts of its prefix. What changes no picture is set aside. */
function share(contents: Contents, prefix: string | undefined, group: Group): void {
  const parts = contents.parts.filter((part) => part.prefix === prefix);
  const [only] = parts;
  for (const [key, tensor] of group) {
    const part = parts.find((candidate) => owns(candidate, key)) ?? (parts.length === 1 ? only : undefined);
    const { name = key, renamed = false } = part ? originalName(part, key, group) : {};
    const reason = reasonOf(part?.name, name, (other) => group.has(other)) ?? reasonOf(undefined, tensor.name);
    if (reason !== undefined) collect(part?.idle ?? contents.idle, reason, tensor);
    else if (!part) contents.strangers.push(tensor);
    else {
      const first = part.tensors.get(name);
      if (first) {
        contents.rivals.push([first, tensor]);
        continue;
      }
      const weight = part.name === "vae" ? asConvolution(name, tensor) : tensor;
      part.tensors.set(name, weight);
      part.renamed ||= renamed || weight !== tensor;
    }
  }
}

/** diffusers keeps the attention of the VAE as matrices, the original as convolutions of one pixel, whose products the engine rounds otherwise. */
function asConvolution(name: string, tensor: TensorInfo): Weight {
  if (tensor.shape.length !== 2 || !/\.mid\.attn_1\.(q|k|v|proj_out)\.weight$/.test(name)) return tensor;
  return { ...tensor, shape: [1, 1, ...tensor.shape], pieces: [{ tensor }] };
}

// The beginnings of a part's names, for files in which several parts have the same prefix.
const roots: Record<PartName, RegExp> = {
  diffusion: /^(joint_blocks|transformer_blocks|pos_embed|[xty]_embedder|context_embedder|time_text_embed|final_layer|norm_out|proj_out)\./,
  clipL:
    /^(text_model|vision_model|text_projection|visual_projection|logit_scale|embeddings|encoder\.layers\.\d+\.(self_attn|layer_norm\d|mlp)|final_layer_norm)\b/,
  clipG:
    /^(text_model|vision_model|text_projection|visual_projection|logit_scale|embeddings|encoder\.layers\.\d+\.(self_attn|layer_norm\d|mlp)|final_layer_norm)\b/,
  t5xxl:
    /^(shared|encoder\.(block|final_layer_norm|embed_tokens)|decoder\.(block|final_layer_norm|embed_tokens)|lm_head|token_embd|enc|dec|output)\./,
  vae: /^(en|de)coder\.(conv_in|conv_out|norm_out|conv_norm_out|mid|up|down|mid_block|up_blocks|down_blocks)\./,
  taesd: /^(en|de)coder\.layers\.\d+\.(conv|weight|bias)/,
};

function owns({ name }: Part, key: string): boolean {
  return roots[name].test(key) || (name === "diffusion" && key === "pos_embed");
}

type Identity = Pick<Part, "name" | "naming"> | { lookalike: string };

/** Which part a group of tensors is, by its width. */
function identify(kind: (typeof anchors)[number][0], group: Group): Identity {
  const shapeOf = (pattern: RegExp) => [...group].find(([name]) => pattern.test(name))?.[1].shape;
  switch (kind) {
    case "mmdit":
      return { name: "diffusion", naming: "original" };
    case "diffusers":
      return { name: "diffusion", naming: "diffusers" };
    case "clip": {
      const [width] = shapeOf(/^(?:text_model\.)?(?:embeddings\.token_embedding|encoder\.layers\.\d+\.layer_norm1)\.weight$/) ?? [];
      if (width === 768) return { name: "clipL", naming: "original" };
      if (width === 1280) return { name: "clipG", naming: "original" };
      return { lookalike: `CLIP text encoder of width ${width}${width === 1024 ? " (SD 2.x)" : ""}` };
    }
    case "t5":
    case "llama": {
      const [width, vocabulary] = shapeOf(/^(shared|token_embd|encoder\.embed_tokens)\.weight$/) ?? [];
      if (vocabulary === 256_384) return { lookalike: "UMT5 text encoder (Wan)" };
      if (width !== undefined && width !== 4096) return { lookalike: `T5 text encoder of width ${width}` };
      return { name: "t5xxl", naming: kind === "llama" ? "llama.cpp" : "original" };
    }
    case "vae":
    case "diffusersVae": {
      const channels = shapeOf(/^decoder\.conv_in\.weight$/)?.[2];
      if (channels !== undefined && channels !== 16)
        return { lookalike: `VAE with ${channels} latent channels${channels === 4 ? " (SD 1.x, 2.x or SDXL)" : ""}` };
      return { name: "vae", naming: kind === "vae" ? "original" : "diffusers" };
    }
    case "taesd": {
      const channels = shapeOf(/^decoder\.layers\.0\.weight$/)?.[2];
      if (channels !== undefined && channels !== 16) return { lookalike: `TAESD with ${channels} latent channels` };
      return { name: "taesd", naming: "original" };
    }
  }
}

/** The original name, and whether the engine would not find it. */
function originalName(part: Part, key: string, group: Group): { name: string; renamed?: boolean } {
  switch (part.name) {
    case "t5xxl": {
      const name = rename(key, part.naming === "llama.cpp" ? llamaNames : t5Names(group));
      return { name, renamed: part.naming === "original" && name !== key };
    }
    case "vae":
      return { name: part.naming === "diffusers" ? rename(key, vaeNames) : key };
    case "clipL":
    case "clipG": {
      const name = rename(key, clipNames);
      return { name, renamed: name !== key && name !== "text_projection" };
    }
    default:
      return { name: key };
  }
}
