import { Image } from "../picture/image.js";
import { sharp } from "../picture/sharp.js";
import type { EncodeOptions, ImageFormat } from "../types/index.js";

/** A finished picture: as PNG with its parameters, in memory or in the output folder. */
export class Picture {
  /** Of the first encoding that was asked for beside PNG, which is often asked for twice. */
  #other: { key: string; bytes: Buffer<ArrayBuffer> } | undefined;

  constructor(
    readonly index: number,
    readonly seed: bigint | undefined,
    readonly width: number,
    readonly height: number,
    /** How it was made, as text. */
    readonly parameters: string | undefined,
    /** Name in the output folder, with "/" between folders. */
    readonly file: string | undefined,
    /** Bytes of the PNG in memory; 0 where it is in the output folder. */
    readonly own: number,
    readonly png: () => Promise<Buffer<ArrayBuffer>>,
  ) {}

  /** Bytes in memory. */
  get held(): number {
    return this.own + (this.#other?.bytes.length ?? 0);
  }

  /** The bytes of an image file, with the parameters in it. */
  async encode(format: ImageFormat, options: EncodeOptions = {}): Promise<Buffer<ArrayBuffer>> {
    const bytes = await this.png();
    if (format === "png" && Object.keys(options).length === 0) return bytes;
    const key = JSON.stringify([format, options]);
    if (this.#other?.key === key) return this.#other.bytes;
    const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    const image = new Image(data, info.width, info.height, info.channels as 1 | 3 | 4, this.parameters);
    this.#other = { key, bytes: await image.encode(format, options) };
    return this.#other.bytes;
  }
}
