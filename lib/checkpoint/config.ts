import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { ModelFileError } from "../errors.js";
import type { PartName } from "../types/index.js";
import { shown } from "./cursor.js";
import { isUrl } from "./location.js";
import type { Refusal } from "./quantization.js";

const mostBytes = 1 << 20;

export type Config = Record<string, unknown>;

/**
 * A small file with a JSON object; undefined when there is none.
 * @throws ModelFileError when it is something else
 */
export async function readConfig(file: string): Promise<Config | undefined> {
  const wrong = (what: string, cause?: unknown) => new ModelFileError(`${file} ${what}`, { file, cause });
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) return undefined;
  if (found.size > mostBytes) throw wrong(`is larger than ${mostBytes} bytes, too large for a description of a model`);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw wrong(`is no valid JSON: ${(error as Error).message.slice(0, 200)}`, error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("is no JSON object");
  return value as Config;
}

/** The config.json beside weights that have the names of diffusers or transformers. */
export async function configBeside(location: string): Promise<Config | undefined> {
  if (isUrl(location) || !/^(diffusion_pytorch_model|model|pytorch_model)\b/.test(path.basename(location))) return undefined;
  return readConfig(path.join(path.dirname(location), "config.json"));
}

// What the engine computes with, whatever a config says; of diffusers' and transformers' defaults and SD 3.5's published configs.
const classes: Record<PartName, string[]> = {
  diffusion: ["SD3Transformer2DModel"],
  clipL: ["CLIPTextModelWithProjection", "CLIPTextModel", "CLIPModel"],
  clipG: ["CLIPTextModelWithProjection", "CLIPModel"],
  t5xxl: ["T5EncoderModel", "T5ForConditionalGeneration", "T5Model"],
  vae: ["AutoencoderKL"],
  taesd: ["AutoencoderTiny"],
};

const members: Record<PartName, Record<string, readonly unknown[]>> = {
  diffusion: { patch_size: [2], in_channels: [16], out_channels: [16], joint_attention_dim: [4096], pooled_projection_dim: [2048] },
  clipL: { hidden_act: ["quick_gelu"], num_attention_heads: [12], layer_norm_eps: [1e-5] },
  clipG: { hidden_act: ["gelu"], num_attention_heads: [20], layer_norm_eps: [1e-5] },
  t5xxl: {
    feed_forward_proj: ["gated-gelu"],
    d_kv: [64],
    relative_attention_num_buckets: [32],
    relative_attention_max_distance: [128],
    layer_norm_epsilon: [1e-6],
  },
  vae: {
    latent_channels: [16],
    scaling_factor: [1.5305],
    shift_factor: [0.0609],
    use_quant_conv: [false],
    use_post_quant_conv: [false],
    norm_num_groups: [32],
    layers_per_block: [2],
    act_fn: ["silu"],
    mid_block_add_attention: [true],
    latents_mean: [null],
    latents_std: [null],
  },
  taesd: { latent_channels: [16], scaling_factor: [1], shift_factor: [0], act_fn: ["relu"] },
};

/** What a config says that the engine would not do; undefined when it fits the part that the tensors show. */
export function configFault(part: PartName, config: Config): Refusal | undefined {
  const refusal = (what: string, remedy?: string): Refusal => ({ what: `has a config.json ${what}`, remedy, tensors: [] });
  const { quantization_config: quantized, _class_name: class_, architectures } = config;
  if (quantized) {
    const { quant_method: method } = quantized as Config;
    return refusal(
      `with a quantization_config (${shown(String(method ?? "unknown"))}), which is not read`,
      "get a copy in fp16, bf16 or GGUF",
    );
  }
  const name = class_ ?? (Array.isArray(architectures) ? architectures[0] : undefined);
  if (typeof name === "string" && !classes[part].includes(name)) return refusal(`of ${shown(name)}, expected ${classes[part][0]}`);
  // CLIPModel has the text's members inside; those of T5 and of the others stand at the top.
  const own = typeof config.text_config === "object" && config.text_config ? (config.text_config as Config) : config;
  for (const [member, expected] of Object.entries(members[part])) {
    const value = own[member];
    if (value !== undefined && !expected.includes(value)) {
      const what = JSON.stringify(value)?.slice(0, 60);
      return refusal(`with ${member} ${what}, expected ${expected.map((wanted) => JSON.stringify(wanted)).join(" or ")}`);
    }
  }
  const { num_layers: layers, num_attention_heads: heads } = config;
  if (part === "diffusion" && typeof layers === "number" && typeof heads === "number" && layers !== heads)
    return refusal(`with ${heads} attention heads and ${layers} layers, expected as many heads as layers`);
  return undefined;
}
