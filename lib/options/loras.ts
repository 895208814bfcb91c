import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { InvalidOptionError } from "../errors.js";
import type { Lora } from "../types/index.js";

const endings = [".safetensors", ".gguf"];
const maxWeight = 100;

/** "style.safetensors:0.8" → `{ path, weight }`, as the command line gives it. */
export function loraOfText(text: string): Lora {
  const [, file = text, weight] = /^(.*):(-?(?:\d+\.?\d*|\.\d+))$/.exec(text) ?? [];
  return { path: file, ...(weight === undefined ? {} : { weight: Number(weight) }) };
}

/**
 * Takes the tags `<lora:name:weight>` out of a prompt; each is a file of the folder.
 * @throws InvalidOptionError for a tag without a folder, a name that is not in it, or a weight that is no number
 */
export function takeTags(prompt: string, folder: string | undefined): { prompt: string; loras: Required<Lora>[] } {
  const loras: Required<Lora>[] = [];
  const rest = prompt.replace(/\s*<lora:([^<>]*)>/gi, (_tag, text: string) => {
    const colon = text.lastIndexOf(":");
    const name = (colon < 0 ? text : text.slice(0, colon)).trim();
    const weight = colon < 0 ? 1 : readWeight(text.slice(colon + 1), text);
    loras.push({ path: find(name, folder), weight });
    return "";
  });
  return { prompt: loras.length ? rest.trim() : prompt, loras };
}

function readWeight(text: string, tag: string): number {
  const weight = text.trim() === "" ? Number.NaN : Number(text);
  if (Math.abs(weight) <= maxWeight) return weight;
  throw new InvalidOptionError("prompt", `expected a number from -${maxWeight} to ${maxWeight} as the weight in <lora:${tag}>`);
}

function find(name: string, folder: string | undefined): string {
  if (folder === undefined) {
    throw new InvalidOptionError("prompt", `<lora:${name}> names a file, but the model was loaded without loraDir, the folder to look in`);
  }
  const inside = name !== "" && !/[/\\:\0]/.test(name) && name !== "." && name !== "..";
  const file = inside && endings.map((ending) => path.join(folder, name + ending)).find((candidate) => existsSync(candidate));
  if (file) return file;
  const known = loraNames(folder);
  const list = known.length > 0 ? `the LoRAs there are ${known.join(", ")}` : "no .safetensors or .gguf file is there";
  throw new InvalidOptionError("prompt", `<lora:${name}> is no file in loraDir (${folder}); ${list}`);
}

function loraNames(folder: string): string[] {
  try {
    const files = readdirSync(folder).filter((file) => endings.includes(path.extname(file)));
    return [...new Set(files.map(loraName))].sort();
  } catch {
    return [];
  }
}

/** A LoRA's name in tags: its file's, without folder and ending. */
export function loraName(file: string): string {
  const { name, ext, base } = path.parse(file);
  return endings.includes(ext) ? name : base;
}

/** "<lora:style:0.8> <lora:ink:1>", for the text in image files. */
export function writeTags(loras: readonly Required<Lora>[]): string {
  const escaped = (name: string) => name.replace(/[<>:%]/g, (mark) => encodeURIComponent(mark));
  return loras.map(({ path: file, weight }) => `<lora:${escaped(loraName(file))}:${weight}>`).join(" ");
}

export function readTags(text: string): { name: string; weight: number }[] {
  const plain = (name: string) => name.replace(/%(3C|3E|3A|25)/gi, (code) => decodeURIComponent(code));
  const found = text.matchAll(/<lora:([^<>:]*):([^<>:]*)>/g);
  return Array.from(found, ([, name = "", weight = ""]) => ({ name: plain(name), weight: Number(weight) }));
}
