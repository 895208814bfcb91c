import { randomBytes } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { inspect, types } from "node:util";
import type { Sharp } from "sharp";
import { InvalidOptionError, shortened } from "../errors.js";
import { checkOptions, checkValue, type Option, type OptionTable } from "../options/check.js";
import type { EncodeOptions, ImageFormat, Image as Picture } from "../types/index.js";
import { addExifText, addPngText, reserveExifText } from "./metadata.js";
import { sharp } from "./sharp.js";

const encodeOptions: OptionTable = {
  quality: { kind: "integer", min: 1, max: 100, description: "Quality of JPEG, WebP and AVIF" },
  lossless: { kind: "boolean", default: false, description: "WebP and AVIF without loss" },
  compressionLevel: { kind: "integer", min: 0, max: 9, default: 6, description: "zlib level of a PNG" },
  metadata: { kind: "boolean", default: true, description: "Put the generation parameters into the file" },
};

const imageFormats: readonly ImageFormat[] = ["png", "jpg", "jpeg", "webp", "avif"];
const formatOption: Option = { kind: "enum", values: imageFormats, description: "Image format" };
const filePath: Option = { kind: "string", maxBytes: 32_768, filled: true, description: "File" };

/** The format that a file's ending names; throws InvalidOptionError for any other. */
export function formatOf(file: string): ImageFormat {
  return checkValue(formatOption, path.extname(file).slice(1).toLowerCase(), "format") as ImageFormat;
}

/** sharp's types do not say that its memory is no shared one. */
function bytesOf(pipeline: Sharp): Promise<Buffer<ArrayBuffer>> {
  return pipeline.toBuffer() as Promise<Buffer<ArrayBuffer>>;
}

const reasons: Record<string, string> = {
  ENOENT: "its folder does not exist",
  ENOTDIR: "a part of its folder is a file",
  EACCES: "no permission",
  EPERM: "no permission",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EISDIR: "it is a folder",
  ENAMETOOLONG: "its name is too long",
};

/** In words, without the temporary file that was written first. */
function reasonOf({ code = "", message }: NodeJS.ErrnoException): string {
  return reasons[code] ?? (code || shortened(message));
}

/** A picture in memory; types/image.ts describes its members. */
export class Image implements Picture {
  readonly data: Uint8Array<ArrayBuffer>;

  /** @param data rows from the top, `channels` bytes a pixel; memory that is shared with other threads is copied */
  constructor(
    data: Uint8Array,
    readonly width: number,
    readonly height: number,
    readonly channels: 1 | 3 | 4,
    readonly parameters?: string,
  ) {
    this.data = types.isSharedArrayBuffer(data.buffer) ? new Uint8Array(data) : (data as Uint8Array<ArrayBuffer>);
  }

  toSharp(): Sharp {
    const { width, height, channels } = this;
    return sharp(this.data, { raw: { width, height, channels } });
  }

  async encode(format: ImageFormat, options: EncodeOptions = {}): Promise<Buffer<ArrayBuffer>> {
    const name = (checkValue(formatOption, format, "format") as ImageFormat).replace("jpg", "jpeg") as Exclude<ImageFormat, "jpg">;
    const { metadata, ...output } = checkOptions(encodeOptions, options) as EncodeOptions;
    const text = metadata ? this.parameters : undefined;
    if (name === "png") {
      const png = await bytesOf(this.toSharp().png({ compressionLevel: output.compressionLevel }));
      return text === undefined ? png : addPngText(png, text);
    }
    const { quality, lossless } = output;
    const pipeline = this.toSharp().toFormat(name, name === "jpeg" ? { quality } : { quality, lossless });
    return text === undefined ? bytesOf(pipeline) : addExifText(await bytesOf(reserveExifText(pipeline, text)), text);
  }

  async toFile(file: string, options: EncodeOptions = {}): Promise<void> {
    const target = checkValue(filePath, file, "path") as string;
    const bytes = await this.encode(formatOf(target), options);
    const temporary = path.join(path.dirname(target), `.${randomBytes(8).toString("hex")}.tmp`);
    try {
      await writeFile(temporary, bytes, { flag: "wx" });
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {}); // nor can what is not there be taken away
      throw new InvalidOptionError("path", `${target} cannot be written: ${reasonOf(error as NodeJS.ErrnoException)}`, { cause: error });
    }
  }

  toJSON(): ReturnType<Picture["toJSON"]> {
    const { width, height, channels, parameters } = this;
    return { width, height, channels, ...(parameters === undefined ? {} : { parameters }) };
  }
}

/** For the console, to which half a million numbers say nothing. */
Object.defineProperty(Image.prototype, inspect.custom, {
  value(this: Image, _depth: number, options: object) {
    return `Image ${inspect(this.toJSON(), options)}`;
  },
});
