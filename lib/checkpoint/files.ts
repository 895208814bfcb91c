import { constants } from "node:fs";
import { access, open, stat } from "node:fs/promises";
import { InvalidOptionError, MissingComponentError, ModelFileError } from "../errors.js";
import type { ModelFiles } from "../types.js";

export type FileFormat = "gguf" | "safetensors" | "checkpoint";

const lookalikes: [RegExp, string][] = [
  [/^version https:\/\/git-lfs/, "is a Git LFS pointer; fetch the real file with `git lfs pull`"],
  [/^\s*<(!doctype|html|\?xml)/i, "is a web page, not a model; the download went wrong"],
  [/^\s*[{[]/, "is JSON text, not a model"],
];

/**
 * Finds what is wrong with the files before the engine sees them.
 * @throws InvalidOptionError when none holds a diffusion model
 * @throws MissingComponentError when no text encoder or no VAE is named
 * @throws ModelFileError for a file that is missing, unreadable or of a foreign format
 */
export async function checkFiles(files: ModelFiles): Promise<void> {
  const { model, diffusionModel, clipL, clipG, t5xxl, vae, taesd } = files;
  if (!model && !diffusionModel) {
    throw new InvalidOptionError("", 'no diffusion model: give model (an all-in-one file), diffusionModel or preset: "demo"');
  }
  if (!model && !clipL && !clipG && !t5xxl) {
    throw new MissingComponentError("No text encoder: give at least one of clipL, clipG and t5xxl, or an all-in-one file as model.");
  }
  if (!model && !vae && !taesd) throw new MissingComponentError("No VAE: give vae or taesd, or an all-in-one file as model.");
  for (const [option, file] of Object.entries(files)) if (file) await sniff(option, file);
}

/** The format of one file by its first bytes; throws ModelFileError that names the option. */
export async function sniff(option: string, file: string): Promise<FileFormat> {
  const wrong = (what: string, cause?: unknown) => new ModelFileError(`${option}: ${file} ${what}`, { cause });
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw wrong(error.code === "ENOENT" || error.code === "ENOTDIR" ? "does not exist" : `cannot be read (${error.code})`, error);
  });
  if (found.isDirectory()) throw wrong("is a folder; name the file in it");
  if (!found.isFile()) throw wrong("is not a regular file");
  if (found.size === 0) throw wrong("is empty");
  await access(file, constants.R_OK).catch((error: NodeJS.ErrnoException) => {
    throw wrong(`cannot be read (${error.code})`, error);
  });

  const head = await readHead(file);
  const magic = head.toString("latin1", 0, 4);
  if (magic === "GGUF") return "gguf";
  if (magic === "PK\x03\x04" || magic.startsWith("\x80\x02")) return "checkpoint";
  if (head.length > 8 && head[8] === 0x7b) {
    const end = head.readBigUInt64LE(0) + 8n;
    if (end < found.size) return "safetensors";
    if (end < 2 ** 32) throw wrong(`is truncated: its header alone ends at byte ${end}, but the file has ${found.size}`);
  }
  const lookalike = lookalikes.find(([pattern]) => pattern.test(head.toString("latin1")));
  throw wrong(lookalike?.[1] ?? "is not a model: expected GGUF, safetensors or a .ckpt/.pt checkpoint");
}

async function readHead(file: string): Promise<Buffer> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}
