import { createHash, randomBytes } from "node:crypto";
import { copyFile, mkdir, open, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Metadata, type TensorSpec, writeGguf } from "./gguf.js";
import {
  clip,
  esrgan as esrganTensors,
  mmdit,
  passingEsrgan as passingEsrganTensors,
  prefixed,
  t5,
  taesd3 as taesd3Tensors,
  vae as vaeTensors,
} from "./layouts.js";
import type { TensorType } from "./weights.js";

/** Random-weight SD 3.5 checkpoints, small enough for tests; made on first use and kept between runs. Each function returns a path. */

/** To be raised when a layout or the writer changes, so that old files are not used again. */
const version = 1;

export const modelFolder = process.env.SDCPP_TEST_MODELS || path.join(tmpdir(), "node-sd-cpp-test-models");

const sd3: Metadata = { "general.architecture": "sd3", "general.quantization_version": 2, "general.file_type": 1 };

/** As Large: no second attention. 24 blocks, the fewest the engine takes. */
export function largeShaped(type: TensorType = "f16"): Promise<string> {
  // The narrowest width whose rows are whole blocks; at 192 only `mlp.fc2` can be Q4_K, as in real Large files.
  const widths: Record<TensorType, number> = { f32: 24, f16: 24, bf16: 24, q8_0: 96, q4_0: 96, q4_k: 192 };
  const hidden = widths[type];
  return checkpoint(`large-shaped-${type}`, () => mmdit({ depth: 24, hidden, type }), sd3);
}

/** As Large in all but width: 38 blocks. */
export function large38(): Promise<string> {
  return checkpoint("large-38-f16", () => mmdit({ depth: 38, hidden: 38, type: "f16" }), sd3);
}

/** As Medium in all but width: 24 blocks, a second attention in the first 13, a table of 384² positions. */
export function mediumShaped(type: TensorType = "f16"): Promise<string> {
  return checkpoint(`medium-shaped-${type}`, () => mmdit({ depth: 24, hidden: type === "f16" ? 24 : 96, dual: 13, type }), sd3);
}

/** Medium at half its width, for measuring: what takes the time is the same as there. 0.25 (Q4) to 0.9 GB (F16). */
export function wide(type: TensorType): Promise<string> {
  return checkpoint(`wide-${type}`, () => mmdit({ depth: 24, hidden: 768, dual: 13, type }), sd3);
}

/** Medium at its real size, for measuring: 1.4 (Q4) to 5 GB (F16). */
export function medium(type: TensorType): Promise<string> {
  const tensors = () => mmdit({ depth: 24, hidden: 1536, dual: 13, type });
  return cached(`medium-${type}-v${version}.gguf`, (file) => writeGguf(file, tensors(), { metadata: sd3, repeat: true }));
}

/** 70 MB. */
export function clipL(): Promise<string> {
  return checkpoint("clip-l", () => clip("l"));
}

/** 394 MB. */
export function clipG(): Promise<string> {
  return checkpoint("clip-g", () => clip("g"));
}

/** One layer with the real vocabulary; 112 MB. */
export function t5Small(): Promise<string> {
  return checkpoint("t5-small", () => t5({ layers: 1, vocabulary: 32128, feedForward: 64 }));
}

export function taesd3(): Promise<string> {
  return checkpoint("taesd3", taesd3Tensors);
}

export function esrgan(scale: 1 | 2 | 4 = 2): Promise<string> {
  return checkpoint(`esrgan-x${scale}`, () => esrganTensors(scale));
}

/** Enlarges by repeating pixels. */
export function passingEsrgan(scale: 1 | 2 | 4 = 4): Promise<string> {
  return checkpoint(`esrgan-passing-x${scale}`, () => passingEsrganTensors(scale));
}

/** The full VAE with a narrow decoder; 75 MB. */
export function vae(): Promise<string> {
  return checkpoint("vae", () => vaeTensors(32));
}

/** Diffusion model, CLIP-L and VAE in one file, which loads by `model` alone; 149 MB. */
export function allInOne(): Promise<string> {
  const tensors = () => [
    ...prefixed("model.diffusion_model.", mmdit({ depth: 24, hidden: 24, type: "f16" })),
    ...prefixed("text_encoders.clip_l.transformer.", clip("l")),
    ...prefixed("first_stage_model.", vaeTensors(32)),
  ];
  return checkpoint("all-in-one", tensors, sd3);
}

/** A file of any tensors, for tests that need a special one: give each its own name. */
export function checkpoint(name: string, tensors: () => TensorSpec[], metadata?: Metadata): Promise<string> {
  return cached(`${name}-v${version}.gguf`, (file) => writeGguf(file, tensors(), { metadata, seed: name }));
}

/** A copy that ends after `bytes`; a negative number counts from the end. */
export async function truncated(file: string, bytes: number): Promise<string> {
  const length = bytes < 0 ? (await stat(file)).size + bytes : bytes;
  return cached(derived(file, `truncated-${bytes}`), async (copy) => {
    await copyFile(file, copy);
    await truncate(copy, length);
  });
}

/** A copy with `data` written over what was at `offset`. */
export function overwritten(file: string, offset: number, data: Uint8Array): Promise<string> {
  const digest = createHash("sha256").update(data).digest("hex").slice(0, 8);
  return cached(derived(file, `overwritten-${offset}-${digest}`), async (copy) => {
    await copyFile(file, copy);
    const handle = await open(copy, "r+");
    try {
      await handle.write(data, 0, data.length, offset);
    } finally {
      await handle.close();
    }
  });
}

/** A file with this content, such as one of another format. */
export function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 8);
  const { name: stem, ext } = path.parse(name);
  return cached(`${stem}-${digest}${ext}`, (file) => writeFile(file, content));
}

function derived(file: string, change: string): string {
  const { name, ext } = path.parse(file);
  return `${name}-${change}${ext}`;
}

const running = new Map<string, Promise<string>>();

/** Makes the file under a temporary name and renames it, because test files run in parallel processes. */
export function cached(name: string, make: (file: string) => Promise<void>): Promise<string> {
  const made = running.get(name) ?? build(path.join(modelFolder, name), make);
  running.set(name, made);
  return made;
}

async function build(file: string, make: (file: string) => Promise<void>): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  if (found) return file;
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
  await mkdir(modelFolder, { recursive: true });
  try {
    await make(temporary);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
  return file;
}
