import { ModelFileError } from "../errors.js";
import type { Source } from "./source.js";

const firstWindow = 256 << 10;
const largestWindow = 4 << 20;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A text of a file as messages show it: in quotes, without control characters, and not too long. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

/** Reads a header from front to back, in few and large pieces; every fault is a ModelFileError with its place. */
export class Cursor {
  /** Where the next value begins. */
  position = 0;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;
  #nextWindow = firstWindow;

  constructor(
    readonly source: Source,
    private readonly signal?: AbortSignal,
  ) {}

  fail(message: string, offset = this.position): never {
    throw new ModelFileError(`${this.source.name} is malformed: ${message} (byte ${offset})`, { file: this.source.name, offset });
  }

  /** The file ends before what its header announces. */
  truncated(message: string, offset = this.source.size): never {
    throw new ModelFileError(`${this.source.name} is truncated: ${message} (byte ${offset})`, { file: this.source.name, offset });
  }

  /** The next bytes; valid until the next read. */
  async bytes(length: number, what: string): Promise<Buffer> {
    const end = this.#endOf(length, what);
    const from = this.position - this.#windowStart;
    if (from + length > this.#window.length) await this.#fill(length, what);
    const start = this.position - this.#windowStart;
    this.position = end;
    return this.#window.subarray(start, start + length);
  }

  async u8(what: string): Promise<number> {
    return (await this.bytes(1, what)).readUInt8();
  }

  async u32(what: string): Promise<number> {
    return (await this.bytes(4, what)).readUInt32LE();
  }

  /** A 64-bit number that must be at most `most`. */
  async u64(what: string, most: number): Promise<number> {
    const value = (await this.bytes(8, what)).readBigUInt64LE();
    if (value > BigInt(most)) this.fail(`${what} is ${value}, expected at most ${most}`, this.position - 8);
    return Number(value);
  }

  /** UTF-8 after its 64-bit length. */
  async text(what: string, most: number): Promise<string> {
    const length = await this.u64(`the length of ${what}`, most);
    const bytes = await this.bytes(length, what);
    return this.decode(bytes, what, this.position - length);
  }

  decode(bytes: Uint8Array, what: string, offset: number): string {
    try {
      return utf8.decode(bytes);
    } catch {
      return this.fail(`${what} is not valid UTF-8`, offset);
    }
  }

  /** Goes on behind the next bytes without reading them. */
  skip(length: number, what: string): void {
    this.position = this.#endOf(length, what);
  }

  /** Goes on behind so many texts. Millions of them should not be millions of promises. */
  async skipTexts(count: number, what: string): Promise<void> {
    for (let left = count; left > 0; left--) {
      if (this.#endOf(8, what) - this.#windowStart > this.#window.length) await this.#fill(8, what);
      const start = this.position - this.#windowStart;
      const length = this.#window.readUInt32LE(start) + this.#window.readUInt32LE(start + 4) * 2 ** 32;
      if (length > this.source.headerLimit) this.fail(`the length of a text in ${what} is ${length}`);
      this.skip(8 + length, what);
    }
  }

  /** Where the next bytes end; fails when that is not in the file, or no place for a header. */
  #endOf(length: number, what: string): number {
    const end = this.position + length;
    if (end > this.source.size) this.truncated(`${what} would end at byte ${end}, but the file has ${this.source.size} bytes`);
    if (end > this.source.headerLimit) this.fail(`the header is larger than ${this.source.headerLimit} bytes`);
    return end;
  }

  async #fill(length: number, what: string): Promise<void> {
    this.signal?.throwIfAborted();
    const wanted = Math.min(Math.max(length, this.#nextWindow), this.source.headerLimit - this.position);
    this.#window = await this.source.read(this.position, length, wanted);
    this.#windowStart = this.position;
    this.#nextWindow = Math.min(this.#nextWindow * 2, largestWindow);
    if (this.#window.length < length) this.truncated(`${what} could not be read in full`, this.position + this.#window.length);
  }
}
