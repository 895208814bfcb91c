import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { ModelFileError } from "../errors.js";

/**
 * The SHA-256 of a whole file, in hex.
 * @param onBytes called with how many bytes have been read so far
 * @throws ModelFileError when it cannot be read
 * @throws the signal's reason when it is aborted
 */
export async function sha256(file: string, signal?: AbortSignal, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  const add = async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
      onBytes?.(bytes);
    }
  };
  try {
    await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), add, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ModelFileError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, { file, cause: error });
  }
  return hash.digest("hex");
}
