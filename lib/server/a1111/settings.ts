import type { ImageFormat } from "../../types/index.js";
import type { Core } from "../core.js";
import { HttpError } from "../errors.js";
import type { ServedModel } from "../models.js";
import { type Fields, integerIn, textIn } from "./fields.js";

/** What a client has set for its later requests, by POST options. */
export interface Settings {
  model?: string;
  format: ImageFormat;
  quality: number;
  clipSkip: number;
}

const usual: Settings = { format: "png", quality: 80, clipSkip: 1 };
const mostOwners = 1000;

/** The settings of each owner: what one client chooses changes nothing for another. */
export class AllSettings {
  readonly #known = new Map<string, Settings>();

  of(owner: string): Settings {
    return this.#known.get(owner) ?? usual;
  }

  set(owner: string, settings: Partial<Settings>): void {
    const next = { ...this.of(owner), ...settings };
    this.#known.delete(owner);
    this.#known.set(owner, next);
    const [oldest] = this.#known.keys();
    if (this.#known.size > mostOwners && oldest !== undefined) this.#known.delete(oldest);
  }
}

/**
 * A model as clients of the web UI name it: as its list does, in other case, with an ending, a hash in brackets, or a part of the name.
 * @throws HttpError 404
 */
export async function findModel(core: Core, name: string | undefined): Promise<ServedModel> {
  if (!name) return core.models.find(undefined);
  const bare = name
    .trim()
    .replace(/\[[0-9a-f]+\]$/i, "")
    .trimEnd()
    .replace(/\.(safetensors|gguf|ckpt)$/i, "");
  const models = await core.models.list();
  const names = (model: ServedModel) => [model.id, ...model.aliases].map((one) => one.toLowerCase());
  const wanted = bare.toLowerCase();
  const found =
    models.find((model) => model.id === name || model.aliases.includes(name)) ??
    models.find((model) => names(model).includes(wanted)) ??
    (wanted === "" ? undefined : models.find((model) => names(model).some((one) => one.includes(wanted))));
  return found ?? core.models.find(name, "sd_model_checkpoint");
}

/** The settings as the web UI's options, of which clients read these. */
export async function viewSettings(core: Core, settings: Settings): Promise<Fields> {
  const { id } = await findModel(core, settings.model);
  return {
    samples_save: core.options.outputDir !== undefined,
    samples_format: settings.format,
    jpeg_quality: settings.quality,
    enable_pnginfo: true,
    sd_model_checkpoint: id,
    sd_checkpoint_hash: "",
    sd_vae: "Automatic",
    CLIP_stop_at_last_layers: settings.clipSkip,
    live_previews_enable: true,
    show_progress_every_n_steps: 1,
  };
}

const formats: readonly ImageFormat[] = ["png", "jpg", "jpeg", "webp", "avif"];

/**
 * Those that mean something here; the others are accepted, as clients send all of them back.
 * @throws HttpError for a model that is not there, or a format that cannot be written
 */
export async function readSettings(core: Core, fields: Fields): Promise<Partial<Settings>> {
  const settings: Partial<Settings> = {};
  const model = textIn(fields, "sd_model_checkpoint");
  if (model !== undefined) settings.model = (await findModel(core, model)).id;
  const format = textIn(fields, "samples_format");
  if (format !== undefined) {
    const known = formats.find((one) => one === format.toLowerCase());
    if (!known) throw new HttpError(422, "HTTPException", "samples_format: expected png, jpg, webp or avif.", "samples_format");
    settings.format = known;
  }
  const quality = integerIn(fields, "jpeg_quality");
  if (quality !== undefined) settings.quality = Math.min(100, Math.max(1, quality));
  const clipSkip = integerIn(fields, "CLIP_stop_at_last_layers");
  if (clipSkip !== undefined) settings.clipSkip = Math.min(12, Math.max(1, clipSkip));
  return settings;
}
