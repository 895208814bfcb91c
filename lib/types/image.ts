import type { Sharp } from "sharp";

/** A picture in memory. */
export interface Image {
  /** Rows from the top, `channels` bytes a pixel. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  /** How it was made, as text; goes into the files it is written to. See `readParameters`. */
  readonly parameters?: string;
  /** A sharp pipeline that begins with these pixels. */
  toSharp(): Sharp;
  /**
   * The bytes of an image file.
   * @throws InvalidOptionError for an unknown format or option
   */
  encode(format: ImageFormat, options?: EncodeOptions): Promise<Buffer<ArrayBuffer>>;
  /**
   * Writes a file in the format of its ending: .png, .jpg, .jpeg, .webp or .avif. The file appears when it is complete, replacing an older one.
   * @throws InvalidOptionError for another ending or an unknown option, and when the file cannot be written
   */
  toFile(file: string, options?: EncodeOptions): Promise<void>;
  /** What `JSON.stringify` takes: no pixels. */
  toJSON(): { width: number; height: number; channels: number; parameters?: string };
}

/**
 * Pixels in memory: rows from the top, `channels` bytes a pixel (1 gray, 3 RGB, 4 RGB and alpha; upscaling also takes 2, gray and alpha),
 * `width * height * channels` bytes.
 */
export interface RawImage {
  data: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
  channels: 1 | 2 | 3 | 4;
}

/**
 * A picture as an option: a file's path, the bytes of a file (anything that sharp reads), a data URL, an `Image`, raw pixels or a sharp
 * pipeline. Bytes may be those of another realm (a test environment, an Electron context).
 * EXIF orientation is applied, gray becomes RGB and 16 bits become 8. It is read when the run is started; do not change its bytes before
 * the first event.
 */
export type ImageInput = string | Uint8Array | ArrayBuffer | Image | RawImage | Sharp;

/** By a file's ending. */
export type ImageFormat = "png" | "jpg" | "jpeg" | "webp" | "avif";

export interface EncodeOptions {
  /** 1 to 100, for JPEG, WebP and AVIF. Default: sharp's (JPEG and WebP 80, AVIF 50). */
  quality?: number;
  /** WebP and AVIF without loss. Default: false. */
  lossless?: boolean;
  /** zlib level of a PNG, 0 (fast) to 9 (small). Default: 6. */
  compressionLevel?: number;
  /** Put the generation parameters into the file. Default: true. */
  metadata?: boolean;
}
