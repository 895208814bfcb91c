import { parseParameters } from "../../picture/parameters.js";
import type { Drawn } from "./drawing.js";
import type { Fields } from "./fields.js";
import { labelOf } from "./names.js";
import type { Wish } from "./request.js";

/** The answer of txt2img and img2img: pictures as base64, and how they were made as JSON in a text. */
export async function answerOf(wish: Wish, drawn: readonly Drawn[]): Promise<Fields> {
  const { format, quality, sendImages } = wish;
  const images = sendImages ? await Promise.all(drawn.map(async (one) => (await one.encode(format, quality)).toString("base64"))) : [];
  return { images, parameters: wish.parameters, info: JSON.stringify(infoOf(wish, drawn)) };
}

function infoOf({ served, options, warnings, seed, size, batchSize }: Wish, drawn: readonly Drawn[]): Fields {
  const {
    prompt,
    negativePrompt = "",
    steps,
    cfgScale,
    sampler,
    scheduler,
    clipSkip,
    strength,
    hires,
  } = { ...served.defaults, ...options };
  const { fingerprints, model, version } = parseParameters(drawn[0]?.parameters ?? "");
  const ofAll = <T>(value: T) => drawn.map(() => value);
  const second = typeof hires === "object" ? hires : undefined;
  return {
    prompt,
    all_prompts: ofAll(prompt),
    negative_prompt: negativePrompt,
    all_negative_prompts: ofAll(negativePrompt),
    seed: drawn[0]?.seed ?? seed,
    all_seeds: drawn.map((one) => one.seed),
    subseed: -1,
    all_subseeds: ofAll(-1),
    subseed_strength: 0,
    ...size,
    sampler_name: labelOf(sampler),
    cfg_scale: cfgScale,
    steps,
    batch_size: batchSize,
    restore_faces: false,
    face_restoration_model: null,
    sd_model_name: model ?? served.id,
    sd_model_hash: fingerprints?.diffusionModel ?? fingerprints?.model ?? null,
    sd_vae_name: null,
    sd_vae_hash: null,
    seed_resize_from_w: -1,
    seed_resize_from_h: -1,
    denoising_strength: strength ?? second?.strength ?? null,
    extra_generation_params: { "Schedule type": scheduler },
    index_of_first_image: 0,
    infotexts: drawn.map((one) => one.parameters),
    styles: [],
    job_timestamp: timestamp(new Date()),
    clip_skip: clipSkip ?? 1,
    is_using_inpainting_conditioning: false,
    version: version ?? "",
    warnings,
  };
}

/** "20261231235959" */
export function timestamp(time: Date): string {
  return time.toISOString().replace(/\D/g, "").slice(0, 14);
}
