/**
 * Where the modules are that LoRAs change: the names of all tools, and the engine's tensors.
 *
 * Sources of the spellings (each writes or reads files of Stable Diffusion 3 so): kohya's sd-scripts (networks/lora_sd3.py), diffusers
 * (loaders/lora_pipeline.py, scripts/convert_sd3_to_diffusers.py), PEFT (utils/save_and_load.py), OneTrainer (convert_sd3_lora.py: "legacy" and
 * its own names, and the common "OMI" ones), SimpleTuner (diffusers' and LyCORIS' names), LyCORIS (wrapper.py), ComfyUI (comfy/lora.py).
 */

export type LoraPart = "diffusion" | "clipL" | "clipG" | "t5xxl" | "vae";

/** The engine's prefix of each part's tensors. */
const enginePrefix: Record<LoraPart, string> = {
  diffusion: "model.diffusion_model.",
  clipL: "text_encoders.clip_l.transformer.",
  clipG: "text_encoders.clip_g.transformer.",
  t5xxl: "text_encoders.t5xxl.transformer.",
  vae: "first_stage_model.",
};

/** A module of the model. */
export interface Place {
  part: LoraPart;
  /** The engine's names of its tensors. */
  weight: string;
  bias: string;
  /** Which third of a fused query, key and value it is, from 0. */
  third?: number;
  /** diffusers' name of a modulation: where it has two halves (shift and scale), they stand in the other order there. */
  halves?: boolean;
  /** Its name in the part, as PEFT's patterns see it. */
  path: string;
}

/** What stands before all names, possibly more than once: wrappers of PEFT, of data parallelism, of torch.compile. */
const wrappers = /^(?:base_model\.model\.|module\.|_orig_mod\.|lora\.)+/;

// The last one is for files of a part alone, which its names tell. Only kohya's and LyCORIS' prefixes are followed by underscores.
const prefixes: [pattern: RegExp, part: LoraPart | undefined][] = [
  [/^(?:(?:model\.)?diffusion_model|transformer|unet|lora_transformer|lora_unet)\./, "diffusion"],
  [/^(?:lora_unet|lora_transformer)_/, "diffusion"],
  [/^(?:text_encoders\.)?clip_l\.(?:transformer\.)?|^(?:text_encoder|(?:lora_)?te1?)\.|^lora_te1?_/, "clipL"],
  [/^(?:text_encoders\.)?clip_g\.(?:transformer\.)?|^(?:text_encoder_2|(?:lora_)?te2)\.|^lora_te2_/, "clipG"],
  [/^(?:text_encoders\.)?t5(?:xxl)?\.(?:transformer\.)?|^(?:text_encoder_3|(?:lora_)?te3)\.|^lora_te3_/, "t5xxl"],
  [/^(?:vae|first_stage_model)\./, "vae"],
  [/^(?:lycoris[_.])?/, undefined],
];

type Target = [tensor: string, third?: number | "halves"];

const thirds = (side: string, attention: string, names: string[]): [string, Target][] =>
  names.map((name, third) => [`${attention}.${name}`, [`${side}.${attention}.qkv`, third]]);

/** diffusers' attention, with its projections fused or not. */
const attention = (name: string): [string, Target][] => [
  ...thirds("x_block", name, ["to_q", "to_k", "to_v"]),
  [`${name}.to_qkv`, [`x_block.${name}.qkv`]],
  [`${name}.to_out.0`, [`x_block.${name}.proj`]],
  [`${name}.to_out`, [`x_block.${name}.proj`]],
  [`${name}.norm_q`, [`x_block.${name}.ln_q`]],
  [`${name}.norm_k`, [`x_block.${name}.ln_k`]],
];

const diffusersBlock: [string, Target][] = [
  ...attention("attn"),
  ...attention("attn2"),
  ...thirds("context_block", "attn", ["add_q_proj", "add_k_proj", "add_v_proj"]),
  ["attn.to_added_qkv", ["context_block.attn.qkv"]],
  ["attn.to_add_out", ["context_block.attn.proj"]],
  ["attn.norm_added_q", ["context_block.attn.ln_q"]],
  ["attn.norm_added_k", ["context_block.attn.ln_k"]],
  ["ff.net.0.proj", ["x_block.mlp.fc1"]],
  ["ff.net.2", ["x_block.mlp.fc2"]],
  ["ff_context.net.0.proj", ["context_block.mlp.fc1"]],
  ["ff_context.net.2", ["context_block.mlp.fc2"]],
  ["norm1.linear", ["x_block.adaLN_modulation.1"]],
  ["norm1_context.linear", ["context_block.adaLN_modulation.1", "halves"]],
];

const originalBlock: [string, Target][] = ["x_block", "context_block"].flatMap((side) => [
  ...["attn", "attn2"].flatMap((name): [string, Target][] => [
    ...[0, 1, 2].map((third): [string, Target] => [`${side}.${name}.qkv.${third}`, [`${side}.${name}.qkv`, third]]), // OMI's
    ...["qkv", "proj", "ln_q", "ln_k"].map((module): [string, Target] => [`${side}.${name}.${module}`, [`${side}.${name}.${module}`]]),
  ]),
  ...["mlp.fc1", "mlp.fc2", "adaLN_modulation.1"].map((module): [string, Target] => [`${side}.${module}`, [`${side}.${module}`]]),
]);

const same = (...names: string[]): [string, Target][] => names.map((name) => [name, [name]]);

const aroundBlocks: [string, Target][] = [
  ...same("x_embedder.proj", "context_embedder", "t_embedder.mlp.0", "t_embedder.mlp.2", "y_embedder.mlp.0", "y_embedder.mlp.2"),
  ...same("final_layer.linear", "final_layer.adaLN_modulation.1", "pos_embed"),
  ["pos_embed.proj", ["x_embedder.proj"]],
  ["pos_embed.pos_embed", ["pos_embed"]],
  ["time_text_embed.timestep_embedder.linear_1", ["t_embedder.mlp.0"]],
  ["time_text_embed.timestep_embedder.linear_2", ["t_embedder.mlp.2"]],
  ["time_text_embed.text_embedder.linear_1", ["y_embedder.mlp.0"]],
  ["time_text_embed.text_embedder.linear_2", ["y_embedder.mlp.2"]],
  ["norm_out.linear", ["final_layer.adaLN_modulation.1", "halves"]],
  ["proj_out", ["final_layer.linear"]],
];

const clipAttention = ["q_proj", "k_proj", "v_proj", "out_proj"].map((name) => `self_attn.${name}`);
const t5Block = [
  ...["q", "k", "v", "o", "relative_attention_bias"].map((name) => `layer.0.SelfAttention.${name}`),
  ...["wi_0", "wi_1", "wo"].map((name) => `layer.1.DenseReluDense.${name}`),
  ...["layer.0.layer_norm", "layer.1.layer_norm"],
];

interface Table {
  /** What stands before a block's number, in the names of files and in the engine's. */
  blocks: [file: string, engine: string, table: Map<string, Target>][];
  around: Map<string, Target>;
}

// A dot and an underscore are the same, as sd-scripts and LyCORIS write all dots as underscores.
const flat = (name: string) => name.replaceAll(".", "_");
const table = (entries: [string, Target][]) => new Map(entries.map(([name, target]) => [flat(name), target]));

const clip: Table = {
  blocks: ["text_model.encoder.layers", "encoder.layers"].map((file) => [
    flat(file),
    "text_model.encoder.layers",
    table(same(...clipAttention, "mlp.fc1", "mlp.fc2", "layer_norm1", "layer_norm2")),
  ]),
  around: table([
    ...same("text_model.final_layer_norm", "text_model.embeddings.token_embedding", "text_model.embeddings.position_embedding"),
    ["text_projection", ["text_model.text_projection"]],
    ["text_model.text_projection", ["text_model.text_projection"]],
  ]),
};

const tables: Record<Exclude<LoraPart, "vae">, Table> = {
  diffusion: {
    blocks: [
      ["transformer_blocks", "joint_blocks", table(diffusersBlock)],
      ["joint_blocks", "joint_blocks", table(originalBlock)],
    ],
    around: table(aroundBlocks),
  },
  clipL: clip,
  clipG: clip,
  t5xxl: {
    blocks: [["encoder_block", "encoder.block", table(same(...t5Block))]],
    around: table(same("encoder.final_layer_norm", "shared")),
  },
};

/** Tensors that are no module's weight. */
const bare = new Set(["pos_embed", "text_model.text_projection"]);

/**
 * The place of a module; undefined when Stable Diffusion 3 has none of this name.
 * @param sides lengths of its weight's rows and columns: they tell CLIP-L from CLIP-G in a file that does not
 */
export function placeOf(module: string, sides: readonly number[]): Place | undefined {
  let name = module.replace(wrappers, "").replace(".processor", "");
  const [pattern = /^/, named] = prefixes.find(([candidate]) => candidate.test(name)) ?? [];
  name = name.replace(pattern, "").replace(wrappers, "");
  if (named === "vae") return { part: "vae", ...tensorsOf("vae", name), path: name };
  const parts: (keyof typeof tables)[] = named ? [named] : ["diffusion", sides.some((n) => n % 1280 === 0) ? "clipG" : "clipL", "t5xxl"];
  for (const part of parts) {
    const found = lookUp(tables[part], flat(name));
    if (!found) continue;
    const [tensor, detail] = found;
    const third = typeof detail === "number" ? { third: detail } : {};
    return { part, ...tensorsOf(part, tensor), ...third, ...(detail === "halves" ? { halves: true } : {}), path: name };
  }
  return undefined;
}

function tensorsOf(part: LoraPart, tensor: string): { weight: string; bias: string } {
  const name = enginePrefix[part] + tensor;
  return { weight: bare.has(tensor) ? name : `${name}.weight`, bias: `${name}.bias` };
}

function lookUp({ blocks, around }: Table, name: string): Target | undefined {
  for (const [file, engine, entries] of blocks) {
    const [, number, rest = ""] = (name.startsWith(`${file}_`) && /^(\d{1,4})_(.+)$/.exec(name.slice(file.length + 1))) || [];
    if (number === undefined) continue;
    const found = entries.get(rest);
    return found && [`${engine}.${Number(number)}.${found[0]}`, found[1]];
  }
  return around.get(name);
}
