import { readAdapter } from "./lora/adapter.js";
import type { TensorInfo } from "./tensors.js";

/** What a checkpoint is that is no model of Stable Diffusion 3, or is one that the engine cannot read. */
export interface Kind {
  id: "lora" | "controlNet" | "upscaler" | "other" | "unknown";
  name: string;
}

/** The name is found in one of the tensors' names, wherever the prefix of the diffusion model is. */
const start = "^(?:model\\.diffusion_model\\.|diffusion_model\\.|transformer\\.|model\\.)?";

// The first line fits whose patterns all are found. "^" is the beginning of a name, or of what follows the prefixes above.
const table: [id: Kind["id"], name: string, ...patterns: string[]][] = [
  [
    "lora",
    "LoRA",
    "[._]lora[._](?:down|up|mid|A|B|magnitude_vector)\\b|\\.lora_linear_layer\\.|\\.lora_[ab]$|\\.(?:hada_w|lokr_w)[12](?:_[ab])?\\b|\\.(?:diff|diff_b|w_norm)$",
  ],
  ["lora", "LoRA", "\\.a1\\.weight$", "\\.b2\\.weight$"],
  ["lora", "OFT adapter", "[._]oft_(?:blocks|diag|R)\\b"],
  ["controlNet", "Stable Diffusion 3 ControlNet", "^controlnet_blocks\\.", "^pos_embed_input\\."],
  [
    "controlNet",
    "ControlNet",
    "^control_model\\.|^controlnet_(?:blocks|cond_embedding|down_blocks|x_embedder)\\.|^input_hint_block\\.|^lllite_",
  ],
  ["upscaler", "ESRGAN upscaler", "^conv_first\\.weight$", "^body\\.0\\.rdb1\\."],
  ["upscaler", "ESRGAN upscaler", "^model\\.0\\.weight$", "^model\\.1\\.sub\\.0\\."],
  ["other", "textual inversion", "^(?:emb_params|string_to_param)\\b"],
  ["other", "IP-Adapter", "^(?:image_proj|ip_adapter)\\."],
  ["other", "Qwen-Image", "^transformer_blocks\\.\\d+\\.img_mod\\."],
  ["other", "FLUX.2", "^double_stream_modulation_img\\."],
  ["other", "Chroma", "^distilled_guidance_layer\\."],
  ["other", "HunyuanVideo", "^txt_in\\.individual_token_refiner\\."],
  ["other", "AuraFlow", "^double_layers\\.\\d+\\.|^joint_transformer_blocks\\."],
  ["other", "FLUX", "^double_blocks\\.\\d+\\.|^single_transformer_blocks\\."],
  ["other", "Lumina 2 or Z-Image", "^cap_embedder\\."],
  ["other", "Sana", "attention_y_norm\\.|\\.ff\\.conv_inverted\\."],
  ["other", "Hunyuan-DiT", "^text_embedding_padding$|^mlp_t5\\."],
  ["other", "LTX-Video", "^adaln_single\\.", "^(?:patchify_proj|proj_in)\\."],
  ["other", "PixArt", "^adaln_single\\.|^t_block\\.1\\.", "^caption_projection\\.|^y_embedder\\.y_proj\\."],
  ["other", "Wan", "^blocks\\.\\d+\\.(?:cross_attn|attn2)\\.norm_k\\."],
  ["other", "CogVideoX", "^patch_embed\\.text_proj\\."],
  ["other", "HiDream", "^double_stream_blocks\\."],
  ["other", "Stable Cascade", "^clip_txt_mapper\\.|^down_blocks\\.0\\.\\d+\\.channelwise\\."],
  ["other", "Stable Video Diffusion", "\\.time_mixer\\.mix_factor$|\\.time_stack\\."],
  ["other", "Wan VAE", "^decoder\\.middle\\.0\\.residual\\."],
  ["other", "CLIP in OpenCLIP's own layout", "^(?:text\\.)?transformer\\.resblocks\\.\\d+\\.attn\\."],
  ["other", "language model", "^blk\\.\\d+\\.attn_q\\.|^layers\\.\\d+\\.self_attn\\.q_proj\\."],
];

/** What may also stand beside a part that is read. */
const fragmentTable: typeof table = [["other", "CLIP vision encoder", "^vision_model\\.|^visual\\."]];

const compile = (lines: typeof table) =>
  lines.map(([id, name, ...patterns]) => ({
    id,
    name,
    patterns: patterns.map((pattern) => new RegExp(pattern.replaceAll("^", start), "m")),
  }));

const kinds = compile(table);
const fragments = compile(fragmentTable);

/** U-Nets are told apart by the width of the text they attend to. */
const unets: Record<number, string> = {
  768: "Stable Diffusion 1.x",
  1024: "Stable Diffusion 2.x",
  1280: "Stable Diffusion XL refiner",
  2048: "Stable Diffusion XL",
};

/** Names what a checkpoint is by the tensors that only this kind has; undefined for Stable Diffusion 3 and for what is not known. */
export function detectKind(tensors: readonly TensorInfo[]): Kind | undefined {
  const found = find(kinds, tensors);
  if (found) return found.name === "LoRA" ? { ...found, name: readAdapter({ tensors: [...tensors], metadata: {} }).title } : found;
  const isUnet = (name: string) =>
    /(^|\.)(input_blocks|output_blocks|down_blocks|up_blocks)\.\d/.test(name) && !/(^|\.)(en|de)coder\./.test(name);
  if (!tensors.some(({ name }) => isUnet(name))) return undefined;
  const [width = 0] = tensors.find(({ name }) => isUnet(name) && name.endsWith(".attn2.to_k.weight"))?.shape ?? [];
  return { id: "other", name: unets[width] ?? "diffusion model with a U-Net" };
}

/** The same for a checkpoint in which no part was found. */
export function detectFragment(tensors: readonly TensorInfo[]): Kind | undefined {
  return find(fragments, tensors);
}

function find(lines: typeof kinds, tensors: readonly TensorInfo[]): Kind | undefined {
  const names = tensors.map(({ name }) => name).join("\n");
  const found = lines.find(({ patterns }) => patterns.every((pattern) => pattern.test(names)));
  return found && { id: found.id, name: found.name };
}
