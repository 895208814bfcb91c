import { sharp } from "../../picture/sharp.js";
import { HttpError } from "../errors.js";

const mostBytes = 32 * 2 ** 20;
const side = 320;

/** Small WebPs of pictures. The latest that were asked for stay in memory. */
export class Thumbnails {
  readonly #kept = new Map<string, Buffer<ArrayBuffer>>();
  readonly #inWork = new Map<string, Promise<Buffer<ArrayBuffer>>>();
  #bytes = 0;

  /** @param key what names the picture and changes with it */
  async of(key: string, read: () => Promise<Buffer<ArrayBuffer>>): Promise<Buffer<ArrayBuffer>> {
    const known = this.#kept.get(key);
    if (known) {
      this.#kept.delete(key);
      this.#kept.set(key, known); // the latest is the last
      return known;
    }
    let work = this.#inWork.get(key);
    if (!work) {
      work = read().then(make);
      this.#inWork.set(key, work);
      work
        .then((bytes) => this.#keep(key, bytes))
        .catch(() => {}) // who asked for it is told
        .finally(() => this.#inWork.delete(key));
    }
    return work;
  }

  #keep(key: string, bytes: Buffer<ArrayBuffer>): void {
    this.#kept.set(key, bytes);
    this.#bytes += bytes.byteLength;
    for (const [oldest, { byteLength }] of this.#kept) {
      if (this.#bytes <= mostBytes) break;
      this.#kept.delete(oldest);
      this.#bytes -= byteLength;
    }
  }
}

async function make(picture: Buffer<ArrayBuffer>): Promise<Buffer<ArrayBuffer>> {
  try {
    const small = sharp(picture).rotate().resize({ width: side, height: side, fit: "inside", withoutEnlargement: true });
    return (await small.webp({ quality: 80 }).toBuffer()) as Buffer<ArrayBuffer>;
  } catch {
    throw new HttpError(422, "unreadable_image", "The picture cannot be read.");
  }
}
