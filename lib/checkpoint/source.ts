import { type FileHandle, open, stat } from "node:fs/promises";
import { ModelFileError } from "../errors.js";

/** How a file or URL is read. */
export interface ReadOptions {
  /** Stops the reading; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** For a URL, such as `{ authorization: "Bearer …" }`; sent to the URL's own host alone. */
  headers?: Record<string, string>;
  /** Opens those locations that are not what they seem: see unpulled.ts. */
  open?: (location: string) => Promise<Source> | undefined;
}

/** Something whose bytes can be read at any place. */
export interface Source {
  /** Path or URL. */
  readonly name: string;
  readonly size: number;
  /** A header larger than this is refused. */
  readonly headerLimit: number;
  /** Bytes from `offset`: at least so many, where the file has them, and more where they come for nothing. */
  read(offset: number, least: number, most?: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** safetensors' own limit; a header of Stable Diffusion has about 0.1 MB, with a language model's vocabulary 10 MB. */
export const headerLimit = 100_000_000;

/** A file of this machine. */
export class FileSource implements Source {
  readonly headerLimit = headerLimit;
  readonly #handle: FileHandle;

  private constructor(
    readonly name: string,
    readonly size: number,
    handle: FileHandle,
  ) {
    this.#handle = handle;
  }

  /** @throws ModelFileError for a file that is missing, empty, no file or not readable */
  static async open(file: string): Promise<FileSource> {
    const wrong = (what: string, cause?: unknown) => new ModelFileError(`${file} ${what}`, { file, cause });
    const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
      throw wrong(error.code === "ENOENT" || error.code === "ENOTDIR" ? "does not exist" : `cannot be read (${error.code})`, error);
    });
    if (found.isDirectory()) throw wrong("is a folder; name the file in it");
    if (!found.isFile()) throw wrong("is not a regular file"); // to open a pipe would wait for its writer
    if (found.size === 0) throw wrong("is empty");
    const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
      throw wrong(`cannot be read (${error.code})`, error);
    });
    return new FileSource(file, found.size, handle);
  }

  async read(offset: number, least: number, most = least): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(most, this.size - offset)));
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await this.#handle.read(buffer, filled, buffer.length - filled, offset + filled).catch((error) => {
        throw new ModelFileError(`${this.name} cannot be read (${error.code})`, { file: this.name, offset, cause: error });
      });
      if (bytesRead === 0) break; // it has become shorter
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
