import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { InvalidOptionError, shortened } from "../errors.js";
import type { Lora } from "../types/index.js";

const endings = [".safetensors", ".gguf"];
export const maxWeight = 100;

/** "style.safetensors:0.8" → `{ path, weight }`, as the command line gives it. */
export function loraOfText(text: string): Lora {
  const [, file = text, weight] = /^(.*):(-?(?:\d+\.?\d*|\.\d+))$/.exec(text) ?? [];
  return { path: file, ...(weight === undefined ? {} : { weight: Number(weight) }) };
}

/** A tag `<lora:name:weight>` of a prompt. */
export interface LoraTag {
  name: string;
  weight: number;
}

/**
 * Takes the tags `<lora:name:weight>` out of a prompt. As in AUTOMATIC1111's web UI, a third value is the weight of the diffusion model alone,
 * which has to be the same here.
 * @throws InvalidOptionError for a weight that is no number
 */
export function splitTags(prompt: string): { prompt: string; tags: LoraTag[] } {
  const tags: LoraTag[] = [];
  const rest = prompt.replace(/(?<!\s)\s*<lora:([^<>]*)>/gi, (_tag, text: string) => {
    const [name = "", ...weights] = text.split(":").map((value) => value.trim());
    const [weight = 1, second = weight, ...more] = weights.map((value) => readWeight(value, text));
    if (second !== weight || more.length > 0) {
      throw new InvalidOptionError("prompt", `expected one weight for the whole LoRA in <lora:${shortened(text)}>`);
    }
    tags.push({ name, weight });
    return "";
  });
  return { prompt: tags.length ? rest.trim() : prompt, tags };
}

/**
 * The same, with the file of each tag: `name`, in the folder or in one below it, or `some/name`.
 * @throws InvalidOptionError for a tag without a folder, or a name that is not in it or means several files
 */
export function takeTags(prompt: string, folder: string | undefined): { prompt: string; loras: Required<Lora>[] } {
  const { prompt: rest, tags } = splitTags(prompt);
  return { prompt: rest, loras: tags.map(({ name, weight }) => ({ path: find(name, folder), weight })) };
}

function readWeight(text: string, tag: string): number {
  const weight = text.trim() === "" ? Number.NaN : Number(text);
  if (Math.abs(weight) <= maxWeight) return weight;
  throw new InvalidOptionError("prompt", `expected a number from -${maxWeight} to ${maxWeight} as the weight in <lora:${shortened(tag)}>`);
}

function find(name: string, folder: string | undefined): string {
  const tag = `<lora:${shortened(name)}>`;
  if (folder === undefined) {
    throw new InvalidOptionError("prompt", `${tag} names a file, but the model was loaded without loraDir, the folder to look in`);
  }
  const parts = name.split(/[/\\]/);
  const inside = !/[:\0]/.test(name) && parts.every((part) => part.trim() !== "" && part !== "." && part !== "..");
  const direct = inside && ["", ...endings].map((ending) => path.join(folder, ...parts) + ending).find(isLora);
  if (direct) return direct;
  const all = lorasIn(folder);
  const same = inside && parts.length === 1 ? all.filter((file) => loraName(file) === name || path.basename(file) === name) : [];
  if (same.length === 1) return path.join(folder, same[0] as string);
  const named = (files: readonly string[]) => [...new Set(files.map(nameIn))].sort().slice(0, mostNames).join(", ");
  if (same.length > 1) throw new InvalidOptionError("prompt", `${tag} means several files in loraDir (${folder}): ${named(same)}`);
  const list = all.length > 0 ? `the LoRAs there are ${named(all)}` : "no .safetensors or .gguf file is there";
  throw new InvalidOptionError("prompt", `${tag} is no file in loraDir (${folder}); ${list}`);
}

/** Of a file by its path in the folder: "styles/ink". */
const nameIn = (file: string) => file.slice(0, -path.extname(file).length).replaceAll(path.sep, "/");
const mostNames = 100;
const deepest = 8;

function isLora(file: string): boolean {
  try {
    return endings.includes(path.extname(file)) && statSync(file).isFile();
  } catch {
    return false; // not there, or a name that no file can have
  }
}

/** All in the folder and those below it; a link to a folder is followed only by its name in a tag. */
function lorasIn(folder: string, below = "", depth = 0): string[] {
  try {
    return readdirSync(path.join(folder, below), { withFileTypes: true }).flatMap((entry) => {
      const file = path.join(below, entry.name);
      if (entry.isDirectory()) return depth < deepest ? lorasIn(folder, file, depth + 1) : [];
      return isLora(path.join(folder, file)) ? [file] : [];
    });
  } catch {
    return []; // not there, or not to be read
  }
}

/** A LoRA's name in tags: its file's, without folder and ending. */
export function loraName(file: string): string {
  const { name, ext, base } = path.parse(file);
  return endings.includes(ext) ? name : base;
}

/** "<lora:style:0.8> <lora:ink:1>", as prompts name them. */
export function tagsOf(loras: readonly { name: string; weight: number }[]): string {
  return loras.map(({ name, weight }) => `<lora:${name}:${weight}>`).join(" ");
}

/** The same for the text in image files. */
export function writeTags(loras: readonly Required<Lora>[]): string {
  const escaped = (name: string) => name.replace(/[<>:%]/g, (mark) => encodeURIComponent(mark));
  return tagsOf(loras.map(({ path: file, weight }) => ({ name: escaped(loraName(file)), weight })));
}

export function readTags(text: string): { name: string; weight: number }[] {
  const plain = (name: string) => name.replace(/%(3C|3E|3A|25)/gi, (code) => decodeURIComponent(code));
  const found = text.matchAll(/<lora:([^<>:]*):([^<>:]*)>/g);
  return Array.from(found, ([, name = "", weight = ""]) => ({ name: plain(name), weight: Number(weight) }));
}
