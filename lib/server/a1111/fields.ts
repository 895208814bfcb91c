import { parseText } from "../body.js";
import { HttpError } from "../errors.js";

export type Fields = Record<string, unknown>;

function wrong(name: string, expected: string): HttpError {
  return new HttpError(422, "HTTPException", `${name}: expected ${expected}.`, name);
}

/** null counts as left out. Numbers may be text, as in the web UI. */
export function numberIn(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === "") return undefined;
  const number = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  if (!Number.isFinite(number)) throw wrong(name, "a number");
  return number;
}

export function integerIn(fields: Fields, name: string): number | undefined {
  const number = numberIn(fields, name);
  if (number !== undefined && !Number.isInteger(number)) throw wrong(name, "an integer");
  return number;
}

export function textIn(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw wrong(name, "a text");
  return value;
}

export function flagIn(fields: Fields, name: string, usual = false): boolean {
  const value = fields[name];
  if (value === undefined || value === null) return usual;
  if (value === true || value === 1 || value === "true") return true;
  if (value === false || value === 0 || value === "false") return false;
  throw wrong(name, "true or false");
}

export function objectOf(fields: Fields, name: string): Fields {
  const value = typeof fields[name] === "string" ? parseText(fields[name]) : fields[name];
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw wrong(name, "an object");
  return value as Fields;
}

/** The fields that the web UI knows, with what it takes where one is left out; `parameters` of an answer has them. */
export const commonFields: Fields = {
  prompt: "",
  negative_prompt: "",
  styles: null,
  seed: -1,
  subseed: -1,
  subseed_strength: 0,
  seed_resize_from_h: -1,
  seed_resize_from_w: -1,
  sampler_name: null,
  scheduler: null,
  sampler_index: null,
  batch_size: 1,
  n_iter: 1,
  steps: null,
  cfg_scale: null,
  width: null,
  height: null,
  restore_faces: null,
  tiling: null,
  do_not_save_samples: false,
  do_not_save_grid: false,
  eta: null,
  denoising_strength: null,
  s_min_uncond: null,
  s_churn: null,
  s_tmax: null,
  s_tmin: null,
  s_noise: null,
  override_settings: null,
  override_settings_restore_afterwards: true,
  script_name: null,
  script_args: [],
  send_images: true,
  save_images: false,
  alwayson_scripts: {},
  infotext: null,
};

export const textToImageFields: Fields = {
  ...commonFields,
  enable_hr: false,
  firstphase_width: 0,
  firstphase_height: 0,
  hr_scale: 2,
  hr_upscaler: null,
  hr_second_pass_steps: 0,
  hr_resize_x: 0,
  hr_resize_y: 0,
  hr_checkpoint_name: null,
  hr_sampler_name: null,
  hr_scheduler: null,
  hr_prompt: "",
  hr_negative_prompt: "",
};

export const imageToImageFields: Fields = {
  ...commonFields,
  denoising_strength: 0.75,
  init_images: null,
  mask: null,
  resize_mode: 0,
  image_cfg_scale: null,
  mask_blur: null,
  mask_blur_x: 4,
  mask_blur_y: 4,
  inpainting_fill: 0,
  inpaint_full_res: true,
  inpaint_full_res_padding: 0,
  inpainting_mask_invert: 0,
  initial_noise_multiplier: null,
  include_init_images: false,
};

/** What was sent of these, and their defaults; nothing else that was in the body (SillyTavern sends its user's key along). */
export function known(table: Fields, fields: Fields): Fields {
  return Object.fromEntries(Object.entries(table).map(([name, usual]) => [name, fields[name] ?? usual]));
}
