import { readdir } from "node:fs/promises";
import path from "node:path";
import { ModelFileError, UnsupportedModelError } from "../errors.js";
import { type Config, readConfig } from "./config.js";
import { shown } from "./cursor.js";
import { readFlowShift } from "./scheduler.js";
import { isIndex, siblings } from "./shards.js";

/** A folder as diffusers writes it and the hub gives it: `model_index.json` and a folder for each component. */
export interface Pipeline {
  /** Its name for people: that of the folder, or of the repository in the hub's cache. */
  title: string;
  /** One checkpoint of each component that is there. */
  files: string[];
  /** Of its scheduler. */
  flowShift?: number;
}

const components = ["transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "vae"] as const;

/** Pipelines that use the same model in other ways. */
const pipelines = /^StableDiffusion3(Img2Img|Inpaint|PAG|PAGImg2Img)?Pipeline$/;

/**
 * The weights that a diffusers folder names; undefined for another folder, and for one whose transformer is not there (as when only the single
 * file of a repository was fetched).
 * @throws UnsupportedModelError for the pipeline of another model, and for another scheduler
 * @throws ModelFileError for a model_index.json that is malformed, and for a component of which only pickles are there
 */
export async function readPipeline(folder: string): Promise<Pipeline | undefined> {
  const file = path.join(folder, "model_index.json");
  const index = await readConfig(file);
  if (!index) return undefined;
  const files: string[] = [];
  for (const component of components) {
    const found = isNamed(index, component) ? await weightsOf(path.join(folder, component)) : undefined;
    if (found !== undefined) files.push(found);
    else if (component === "transformer" && index._class_name === "StableDiffusion3Pipeline") return undefined;
  }
  const { _class_name: name } = index;
  if (typeof name !== "string" || !pipelines.test(name))
    throw new UnsupportedModelError(`${file} describes ${shown(String(name))}, expected a StableDiffusion3Pipeline`);
  return { title: titleOf(folder), files, flowShift: await readFlowShift(folder) };
}

/** `"vae": ["diffusers", "AutoencoderKL"]`; `[null, null]` is a component left out. */
function isNamed(index: Config, component: string): boolean {
  const value = index[component];
  return Array.isArray(value) && typeof value[1] === "string";
}

/** The repository's name in the hub's cache (`models--owner--name/snapshots/<commit>`), else the folder's. */
export function titleOf(folder: string): string {
  const { base, dir } = path.parse(path.resolve(folder));
  const repository = /[\\/]models--[^\\/]*?--([^\\/]+)[\\/]snapshots$/.exec(dir)?.[1];
  return repository ?? base;
}

/** Of plain weights and their variants (`.fp16`), in one file or sharded, those that diffusers takes when it is not asked for a variant. */
async function weightsOf(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch((): string[] => []);
  const chosen = chooseWeights(names);
  if (chosen !== undefined) return path.join(folder, chosen);
  const pickle = names.find((name) => /^(diffusion_)?pytorch_model.*\.bin$/.test(name));
  if (pickle !== undefined) {
    const at = path.join(folder, pickle);
    throw new ModelFileError(`${at} is a pickle of Python, and no .safetensors file is beside it; get one, or convert it`, { file: at });
  }
  return undefined;
}

const canonical = /^(?:diffusion_pytorch_model|model)(?:\.(\w+))?(?:-(\d{5})-of-\d{5})?(?:\.(\w+))?\.(?:safetensors|sft)$/;
const canonicalIndex = /^(?:diffusion_pytorch_model|model)(?:\.(\w+))?\.safetensors\.index(?:\.(\w+))?\.json$/;

/** The file that stands for the weights among the names of a folder: the plain ones, else fp16, else bf16, else any variant. */
export function chooseWeights(names: readonly string[]): string | undefined {
  const there = new Set(names);
  const candidates = [...names].sort().flatMap((name): { name: string; variant: string; rank: number }[] => {
    const [whole, first = "", shard, second = ""] = canonical.exec(name) ?? [];
    if (whole !== undefined) {
      const variant = first || second; // older versions of diffusers wrote it behind the shard's number
      const complete = shard === undefined || siblings(name).every((part) => there.has(part));
      return complete && (shard === undefined || siblings(name)[0] === name) ? [{ name, variant, rank: shard === undefined ? 0 : 2 }] : [];
    }
    const [isOne, before = "", after = ""] = canonicalIndex.exec(name) ?? [];
    return isOne !== undefined ? [{ name, variant: before || after, rank: 1 }] : [];
  });
  const order = (variant: string) => ["", "fp16", "bf16"].indexOf(variant) >>> 0; // any other comes last
  candidates.sort((a, b) => order(a.variant) - order(b.variant) || a.rank - b.rank);
  return candidates[0]?.name;
}

/** A file that `chooseWeights` passed over for another one of the same folder: a variant, or a shard that an index names. */
export function isVariant(name: string, names: readonly string[]): boolean {
  const chosen = chooseWeights(names);
  return chosen !== undefined && chosen !== name && (canonical.test(name) || isIndex(name));
}
