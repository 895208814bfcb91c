import { ModelFileError } from "../errors.js";
import type { Source } from "./source.js";

export type FileFormat = "gguf" | "safetensors" | "checkpoint";

const lookalikes: [RegExp, string][] = [
  [/^version https:\/\/git-lfs/, "is a Git LFS pointer; fetch the real file with `git lfs pull`"],
  [/^\s*<(!doctype|html|\?xml)/i, "is a web page, not a model; the download went wrong"],
  [/^\s*[{[]/, "is JSON text, not a model"],
  [/^(lmgg|fmgg|tjgg|algg)/, "is a GGML file from before GGUF; get a newer copy"],
];

/**
 * The format by the first bytes. "checkpoint" is a pickle of Python (.ckpt, .pt, .pth).
 * @throws ModelFileError when it is none of them
 */
export async function detectFormat(source: Source): Promise<FileFormat> {
  const wrong = (what: string, offset = 0) => new ModelFileError(`${source.name} ${what}`, { file: source.name, offset });
  const head = await source.read(0, 64);
  const magic = head.toString("latin1", 0, 4);
  if (magic === "GGUF") return "gguf";
  if (magic === "PK\x03\x04" || magic.startsWith("\x80\x02")) return "checkpoint";
  if (head.length > 8 && head[8] === 0x7b) {
    const end = head.readBigUInt64LE(0) + 8n;
    if (end <= source.size) return "safetensors";
    if (end < 2 ** 32) throw wrong(`is truncated: its header alone ends at byte ${end}, but the file has ${source.size}`, source.size);
  }
  const lookalike = lookalikes.find(([pattern]) => pattern.test(head.toString("latin1")));
  throw wrong(lookalike?.[1] ?? "is not a model: expected GGUF, safetensors or a .ckpt/.pt checkpoint");
}
