import { type FileHandle, open } from "node:fs/promises";
import type { CatalogFile } from "../catalog/entries.js";
import { type Answer, type Hub, networkError } from "../catalog/hub.js";
import { TransientError } from "../catalog/retry.js";
import { DownloadError } from "../errors.js";
import type { Source } from "./source.js";

/** What is fetched at once: of the beginning, where the header is, and elsewhere, where small tensors lie beside each other. */
const firstPiece = 256 << 10;
const smallPiece = 64 << 10;

/** A read so far behind the header's beginning still is of the header, and what lies between is fetched too: native code may read it. */
const headerGap = 4 << 20;

const mostText = 1 << 20;

export interface HubFilePlace {
  file: CatalogFile;
  /** The file with holes. */
  at: string;
  /** The model's id, for messages. */
  model: string;
  /** Stops all reading. */
  stop: AbortSignal;
}

/** A file of the hub, of which pieces are fetched by Range requests when they are read, into a file with holes elsewhere. */
export class HubFile implements Source {
  readonly name: string;
  readonly headerLimit = 32 << 20;
  size = 0;
  readonly #hub: Hub;
  readonly #place: HubFilePlace;
  /** Pieces that are there, each from its first byte to the one behind its last. The first begins the file. */
  readonly #there: [from: number, to: number][] = [];
  #sha256: string | undefined;
  #handle: FileHandle | undefined;

  constructor(hub: Hub, place: HubFilePlace) {
    this.#hub = hub;
    this.#place = place;
    this.name = place.at;
  }

  /** Fetches the beginning. */
  async start(signal: AbortSignal): Promise<void> {
    this.#handle = await open(this.name, "wx+");
    await this.#fetch(0, firstPiece, signal);
  }

  /** All of a small file. */
  async text(signal: AbortSignal): Promise<Buffer> {
    const { data } = await this.#request(0, mostText, signal);
    if (data.length < mostText) return data;
    throw new DownloadError(`${this.#url} is longer than ${mostText} bytes, too long for a description of a model.`);
  }

  async read(offset: number, least: number, most = least): Promise<Buffer> {
    const end = Math.min(offset + least, this.size);
    if (!this.#piece(offset, end)) {
      const [, known = 0] = this.#there[0] ?? [];
      const from = offset <= known + headerGap ? known : offset;
      await this.#fetch(from, Math.max(Math.min(offset + most, this.size), from + smallPiece), this.#place.stop);
    }
    const piece = this.#piece(offset, end);
    const length = Math.max(0, Math.min(offset + most, piece?.[1] ?? 0) - offset);
    const { bytesRead, buffer } = await (this.#handle as FileHandle).read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }

  /** It stays for the next who reads it; `end` closes it. */
  async close(): Promise<void> {}

  async end(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  get #url(): string {
    return this.#hub.url(this.#place.file);
  }

  /** The piece with all bytes from `from` to `to`. */
  #piece(from: number, to: number): [number, number] | undefined {
    return this.#there.find((piece) => piece[0] <= from && to <= piece[1]);
  }

  async #fetch(from: number, to: number, signal: AbortSignal): Promise<void> {
    const { data, size, sha256 } = await this.#request(from, to, signal);
    const handle = this.#handle as FileHandle;
    if (this.size === 0) {
      const { bytes } = this.#place.file;
      if (bytes !== null && size !== bytes)
        throw new DownloadError(`${this.#url} has the wrong size: the server has ${size} bytes, expected ${bytes}.`);
      this.size = size;
      this.#sha256 = sha256;
      await handle.truncate(size); // of holes, which take no room
    } else if (size !== this.size || sha256 !== this.#sha256) throw new DownloadError(`${this.#url} has changed while it was read.`);
    await handle.write(data, 0, data.length, from);
    const first = this.#there[0];
    if (first && first[1] === from) first[1] += data.length;
    else this.#there.push([from, from + data.length]);
  }

  /** Bytes from `from` to before `to`, or to the end of the file. */
  async #request(from: number, to: number, signal: AbortSignal): Promise<{ data: Buffer; size: number; sha256?: string }> {
    const { file, model } = this.#place;
    try {
      const answer = await this.#hub.get(file, { from, to: to - 1 }, signal);
      try {
        return await this.#receive(answer, from, to, signal);
      } finally {
        answer.end();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      throw new DownloadError(
        `${model} has not been pulled, and ${file.path} could not be read from the hub: ${error.message}. HF_ENDPOINT names another server, HTTPS_PROXY a proxy; \`npx node-sd-cpp pull ${model}\` gets it for use without a network.`,
        { cause: error },
      );
    }
  }

  async #receive(answer: Answer, from: number, to: number, signal: AbortSignal): Promise<{ data: Buffer; size: number; sha256?: string }> {
    const { status, headers, sha256 } = answer;
    if (status !== 200 && status !== 206) throw this.#hub.explain(this.#place.file, answer);
    if (headers["content-encoding"] && headers["content-encoding"] !== "identity")
      throw new DownloadError(`${this.#url} came encoded as ${headers["content-encoding"]}, though it was asked for as it is.`);
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers["content-range"] ?? "") ?? [];
    const begins = status === 206 ? Number(first) : 0; // a server without ranges sends all, of which the beginning will do
    const size = status === 206 ? Number(total) : Number(headers["content-length"] ?? answer.bytes);
    if (!Number.isSafeInteger(size)) throw new DownloadError(`${this.#url}: the server does not say how large the file is.`);
    if (status === 206 ? begins !== from : to > this.headerLimit)
      throw new DownloadError(`${this.#url}: the server does not answer Range requests as it should.`);
    const data = await this.#collect(answer, Math.min(to, size) - begins, signal);
    return { data: data.subarray(from - begins), size, sha256 };
  }

  async #collect({ chunks }: Answer, length: number, signal: AbortSignal): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let received = 0;
    while (received < length) {
      const { done, value } = await chunks.next().catch((error: unknown) => {
        signal.throwIfAborted();
        throw networkError(this.#url, error);
      });
      if (done) throw new TransientError(`the connection ended after ${received} of ${length} bytes`);
      pieces.push(value);
      received += value.length;
    }
    return Buffer.concat(pieces).subarray(0, length);
  }
}
