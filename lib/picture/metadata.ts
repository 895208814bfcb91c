import { gzipSync, inflateSync } from "node:zlib";
import type { Sharp } from "sharp";
import { InvalidOptionError, NoBinaryError, shortened } from "../errors.js";
import { readImageFile } from "./file.js";
import { sharp } from "./sharp.js";

/** Texts inside image files. Ours is in PNG's `parameters` chunk or EXIF's UserComment, where other tools look for it. */
export type Texts = Record<string, string>;

const keyword = "parameters";
const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const exifPointer = 0x8769;
const userComment = 0x9286;

const isAscii = (text: string) => !/[^\0-\x7f]/.test(text);

/** The checksum that ends a gzip file is PNG's, too; zlib.crc32 came with Node 20.15, and older Electrons have older ones. */
function crc32(data: Buffer): number {
  return gzipSync(data, { level: 0 }).subarray(-8).readUInt32LE();
}

/** Puts the text behind the first chunk (IHDR), so that readers find it before the pixels. */
export function addPngText(png: Buffer, text: string): Buffer<ArrayBuffer> {
  const key = Buffer.from(`${keyword}\0`);
  // tEXt is Latin-1 and known everywhere; iTXt (no compression, language or translated keyword) is UTF-8.
  const [type, data] = isAscii(text)
    ? ["tEXt", Buffer.concat([key, Buffer.from(text)])]
    : ["iTXt", Buffer.concat([key, Buffer.alloc(4), Buffer.from(text)])];
  const body = Buffer.concat([Buffer.from(type), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  const end = pngSignature.length + 12 + png.readUInt32BE(pngSignature.length);
  return Buffer.concat([png.subarray(0, end), chunk, png.subarray(end)]);
}

/** UTF-8 where it is that, as many tools write it against PNG's rule; else Latin-1. */
function decoded(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return bytes.toString("latin1");
  }
}

function readPngTexts(png: Buffer): Texts {
  const texts: Texts = {};
  let left = mostText;
  for (let at = pngSignature.length; at + 12 <= png.length; at += 12 + png.readUInt32BE(at)) {
    const type = png.toString("latin1", at + 4, at + 8);
    const data = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    if (type === "eXIf") addAll(texts, readExifTexts(data));
    const zero = data.indexOf(0);
    const name = data.toString("latin1", 0, Math.min(zero, longestName));
    if (!["tEXt", "zTXt", "iTXt"].includes(type) || zero < 0 || zero > longestName || Object.hasOwn(texts, name)) continue;
    const text = textOf(type, data, zero, left);
    if (text === undefined) continue; // damaged, or too long: the others may be right
    left -= text.length;
    texts[name] = text;
  }
  return texts;
}

/** PNG's names of texts have at most 79 characters. All texts of a file together that are larger describe no picture. */
const longestName = 79;
const mostText = 32 << 20;

function textOf(type: string, data: Buffer, zero: number, most: number): string | undefined {
  const inflated = (packed: Buffer) => {
    try {
      return inflateSync(packed, { maxOutputLength: Math.max(most, 1) });
    } catch {
      return undefined;
    }
  };
  let bytes: Buffer | undefined = data.subarray(zero + 1);
  if (type === "zTXt") bytes = inflated(data.subarray(zero + 2));
  if (type === "iTXt") {
    const language = data.indexOf(0, zero + 3);
    const translated = language < 0 ? -1 : data.indexOf(0, language + 1);
    if (translated < 0) return undefined;
    bytes = data.subarray(translated + 1);
    if (data[zero + 1]) bytes = inflated(bytes);
  }
  return bytes && bytes.length <= most ? decoded(bytes) : undefined;
}

/** The first of a name wins: what stands behind it in the file was not meant to replace it. */
function addAll(texts: Texts, more: Texts): void {
  for (const [name, text] of Object.entries(more)) if (!Object.hasOwn(texts, name)) texts[name] = text;
}

/**
 * UserComment's value: an 8-byte character code, then the text. Sharp (libexif) writes ASCII alone, so the image is encoded with an ASCII
 * placeholder of the same size, which `addExifText` then overwrites.
 */
function userCommentValue(text: string): Buffer {
  if (isAscii(text)) return Buffer.from(`ASCII\0\0\0${text}`);
  const unicode = Buffer.concat([Buffer.from("UNICODE\0"), Buffer.from(text, "utf16le").swap16()]);
  // A JPEG segment holds 64 KiB. "Undefined" as character code leaves UTF-8 to the reader.
  return unicode.length < 60_000 ? unicode : Buffer.concat([Buffer.alloc(8), Buffer.from(text)]);
}

/** Lets `pipeline` write EXIF with room for the text. */
export function reserveExifText(pipeline: Sharp, text: string): Sharp {
  return pipeline.withExif({ IFD2: { UserComment: placeholder(userCommentValue(text).length - 8) } });
}

function placeholder(length: number): string {
  return "node-sd-cpp parameters ".repeat(Math.ceil(length / 23)).slice(0, length);
}

/** Puts the text into the room that `reserveExifText` made. */
export function addExifText<Encoded extends Buffer>(encoded: Encoded, text: string): Encoded {
  const value = userCommentValue(text);
  const at = encoded.indexOf(`ASCII\0\0\0${placeholder(value.length - 8)}`, 0, "latin1");
  if (at < 0) throw new Error("the image encoder wrote no room for the parameters text");
  value.copy(encoded, at);
  return encoded;
}

/** EXIF's texts that tools describe pictures in. ComfyUI's WebP files have `prompt:{…}` in Model and `workflow:{…}` in Make. */
const exifNames = new Map([
  [0x010e, "ImageDescription"],
  [0x010f, "Make"],
  [0x0110, "Model"],
  [userComment, "UserComment"],
]);

function readExifTexts(exif: Buffer): Texts {
  const tiff = exif.toString("latin1", 0, 6) === "Exif\0\0" ? exif.subarray(6) : exif;
  const little = tiff[0] === 0x49;
  const short = (at: number) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const long = (at: number) => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  const texts: Texts = {};
  const seen = new Set<number>();
  const read = (folder: number, inner: boolean) => {
    for (let at = folder + 2, left = short(folder); left > 0; left--, at += 12) {
      const tag = short(at);
      if (tag === exifPointer && !inner) read(long(at + 8), true);
      const name = exifNames.get(tag);
      if (name === undefined || seen.has(tag)) continue;
      seen.add(tag); // a folder names each once; many entries for one long text would be read as often
      const length = long(at + 4);
      const offset = length > 4 ? long(at + 8) : at + 8;
      const value = tiff.subarray(offset, offset + length);
      const text = tag === userComment ? commentOf(value) : decoded(value).replace(/\0+$/, "");
      const [, own = name, rest = text] = tag === userComment ? [] : (/^(prompt|workflow):(.*)$/s.exec(text) ?? []);
      addAll(texts, { [own]: rest });
    }
  };
  try {
    read(long(4), false);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // cut off: what came before it is what there is
  }
  return texts;
}

function commentOf(value: Buffer): string {
  const code = value.toString("latin1", 0, 8);
  const text = value.subarray(8);
  if (code !== "UNICODE\0") return decoded(text).replace(/\0+$/, "");
  const even = text.subarray(0, text.length & ~1);
  // Some tools write little-endian. Which it is shows in the zeros of most texts, which have some ASCII.
  const zeros = (odd: number) => even.filter((byte, at) => byte === 0 && at % 2 === odd).length;
  return (zeros(1) > zeros(0) ? Buffer.from(even) : Buffer.from(even).swap16()).toString("utf16le");
}

/** The texts of an image file by their names. Throws InvalidOptionError when it is not an image, or cannot be read. */
export async function readTexts(source: string | Uint8Array): Promise<Texts> {
  try {
    const bytes =
      typeof source === "string" ? await readImageFile(source) : Buffer.from(source.buffer, source.byteOffset, source.byteLength);
    if (bytes.subarray(0, 8).equals(pngSignature)) return readPngTexts(bytes);
    const { exif } = await sharp(bytes).metadata();
    return exif ? readExifTexts(exif) : {};
  } catch (error) {
    if (error instanceof NoBinaryError) throw error;
    throw new InvalidOptionError("image", `expected an image file that can be read: ${shortened((error as Error).message)}`);
  }
}
