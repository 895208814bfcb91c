import { gzipSync, inflateSync } from "node:zlib";
import sharp from "sharp";
import { InvalidOptionError } from "../errors.js";
import { readImageFile } from "./file.js";

/** Text inside image files: PNG's `parameters` chunk and EXIF's UserComment, where other tools look for it. */

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
export function addPngText(png: Buffer, text: string): Buffer {
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

function readPngText(png: Buffer): string | undefined {
  for (let at = pngSignature.length; at + 12 <= png.length; at += 12 + png.readUInt32BE(at)) {
    const type = png.toString("latin1", at + 4, at + 8);
    const data = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    const zero = data.indexOf(0);
    if (!["tEXt", "zTXt", "iTXt"].includes(type) || data.toString("latin1", 0, zero) !== keyword) continue;
    if (type === "tEXt") return data.toString("latin1", zero + 1);
    if (type === "zTXt") return inflateSync(data.subarray(zero + 2)).toString("latin1");
    const language = data.indexOf(0, zero + 3);
    const text = data.subarray(data.indexOf(0, language + 1) + 1);
    return (data[zero + 1] ? inflateSync(text) : text).toString("utf8");
  }
  return undefined;
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
export function reserveExifText(pipeline: sharp.Sharp, text: string): sharp.Sharp {
  return pipeline.withExif({ IFD2: { UserComment: placeholder(userCommentValue(text).length - 8) } });
}

function placeholder(length: number): string {
  return "node-sd-cpp parameters ".repeat(Math.ceil(length / 23)).slice(0, length);
}

/** Puts the text into the room that `reserveExifText` made. */
export function addExifText(encoded: Buffer, text: string): Buffer {
  const value = userCommentValue(text);
  const at = encoded.indexOf(`ASCII\0\0\0${placeholder(value.length - 8)}`, 0, "latin1");
  if (at < 0) throw new Error("the image encoder wrote no room for the parameters text");
  value.copy(encoded, at);
  return encoded;
}

function readExifText(exif: Buffer): string | undefined {
  const tiff = exif.toString("latin1", 0, 6) === "Exif\0\0" ? exif.subarray(6) : exif;
  const little = tiff[0] === 0x49;
  const short = (at: number) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const long = (at: number) => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  const find = (folder: number, tag: number) => {
    for (let at = folder + 2, left = short(folder); left > 0; left--, at += 12) if (short(at) === tag) return at;
    return undefined;
  };
  const pointer = find(long(4), exifPointer);
  const entry = pointer === undefined ? undefined : find(long(pointer + 8), userComment);
  if (entry === undefined) return undefined;
  const offset = long(entry + 8);
  const value = tiff.subarray(offset, offset + long(entry + 4));
  const code = value.toString("latin1", 0, 8);
  const text = value.subarray(8);
  if (code !== "UNICODE\0") return text.toString("utf8");
  const even = text.subarray(0, text.length & ~1);
  return (text[0] ? Buffer.from(even) : Buffer.from(even).swap16()).toString("utf16le"); // some tools write little-endian
}

/** The text of an image file, or undefined when it has none. Throws InvalidOptionError when it is not an image, or cannot be read. */
export async function readText(source: string | Uint8Array): Promise<string | undefined> {
  try {
    const bytes =
      typeof source === "string" ? await readImageFile(source) : Buffer.from(source.buffer, source.byteOffset, source.byteLength);
    if (bytes.subarray(0, 8).equals(pngSignature)) return readPngText(bytes);
    const { exif } = await sharp(bytes).metadata();
    return exif && readExifText(exif);
  } catch (error) {
    throw new InvalidOptionError("image", `expected an image file that can be read: ${(error as Error).message}`);
  }
}
