import type { PartName } from "../types/index.js";

const clips: PartName[] = ["clipL", "clipG"];

/**
 * Tensors that change no picture, and why: docs/files.md has the same table. A part's patterns are for its original names, those without a part
 * for the whole name of a tensor that belongs to none.
 */
const table: [parts: PartName[] | undefined, pattern: RegExp, reason: string][] = [
  [clips, /^vision_model\.|^visual_projection\.|^visual\./, "CLIP's half for pictures"],
  [clips, /(^|\.)position_ids$/, "the numbers of the positions, 0 to 76"],
  [clips, /(^|\.)logit_scale$/, "compares texts with pictures"],
  // sd3_infer.py's SD3ClipModel (return_projected_pooled=False) and ComfyUI; in the published diffusers folders it is the identity.
  [["clipL"], /^text_projection/, "SD3 takes CLIP-L's pooled output before the projection"],
  [["t5xxl"], /^(decoder|dec|lm_head|output)\./, "T5's decoder"],
  [["t5xxl"], /^(spiece_model|tokenizer_json)$/, "a tokenizer; the engine has its own"],
  [["vae"], /^loss\./, "the loss of the VAE's training"],
  [undefined, /(^|\.)logit_scale$/, "compares texts with pictures"],
  [undefined, /(^|\.)clip_l\.text_projection(\.weight)?$/, "SD3 takes CLIP-L's pooled output before the projection"],
  [undefined, /(^|\.)position_ids$/, "the numbers of the positions, 0 to 76"],
  [undefined, /(?:^|[._])ema(?:[._]|$)/i, "averaged copies that training keeps beside the weights"],
  [
    undefined,
    /^(model\.)?(betas|alphas_cumprod\w*|sqrt_\w*alphas_cumprod|log_one_minus_alphas_cumprod|posterior_\w+|(model_sampling|denoiser)\.\w+)$/,
    "a schedule of noise; the scheduler's is used",
  ],
  [undefined, /(^|\.)spiece_model$/, "a tokenizer; the engine has its own"],
];

/** Why a tensor changes no picture; undefined when it does, or when that is not known. `has` tells whether its part has another name too. */
export function reasonOf(part: PartName | undefined, name: string, has: (name: string) => boolean = () => false): string | undefined {
  if (part === "t5xxl" && name === "encoder.embed_tokens.weight" && has("shared.weight")) return "the table of tokens once more";
  return table.find(([parts, pattern]) => (part === undefined ? !parts : parts?.includes(part)) && pattern.test(name))?.[2];
}
