import { DownloadError, InvalidOptionError } from "../errors.js";
import type { ReadOptions, Source } from "./source.js";

const mostRedirects = 10;
const patience = 60_000; // milliseconds for one answer, so that a silent server is no endless wait
const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/;

interface Stream {
  reader: ReadableStreamDefaultReader<Uint8Array>;
  chunks: Buffer[];
  received: number;
}

/** A file on a web server, read by Range requests; from a server that ignores them, as much of its beginning as is needed. */
export class RemoteSource implements Source {
  readonly headerLimit = 32 << 20;
  size = 0;
  /** Where the redirects ended. */
  #url: URL;
  readonly #options: ReadOptions;
  /** What has come of a file that the server only sends as a whole. */
  #stream: Stream | undefined;
  /** The first bytes, which came with the size. */
  #head: Buffer = Buffer.alloc(0);

  private constructor(
    readonly name: string,
    options: ReadOptions,
  ) {
    this.#url = parseUrl(name);
    this.#options = options;
  }

  /**
   * @throws InvalidOptionError for a URL that is neither https nor of this machine
   * @throws DownloadError when the server does not answer as it should
   * @throws the signal's reason when it is aborted
   */
  static async open(name: string, options: ReadOptions = {}): Promise<RemoteSource> {
    const source = new RemoteSource(name, options);
    await source.#start();
    return source;
  }

  async read(offset: number, least: number, most = least): Promise<Buffer> {
    const enough = Math.min(offset + least, this.size);
    if (enough <= this.#head.length) return this.#head.subarray(offset, offset + most);
    const end = Math.min(offset + most, this.size);
    if (this.#stream) return this.#readStream(this.#stream, offset, end);
    const response = await this.#request(`bytes=${offset}-${end - 1}`);
    const { from, size } = contentRange(response);
    if (response.status !== 206 || from !== offset) {
      await response.body?.cancel();
      throw this.#wrong(`answered a request for bytes ${offset} to ${end - 1} with other ones`);
    }
    if (size !== this.size) {
      await response.body?.cancel();
      throw this.#wrong(`has changed: it had ${this.size} bytes, and now has ${size}`);
    }
    return this.#collect(response, end - offset);
  }

  async close(): Promise<void> {
    await this.#stream?.reader.cancel().catch(() => {});
  }

  async #start(): Promise<void> {
    const wanted = 256 << 10;
    const response = await this.#request(`bytes=0-${wanted - 1}`);
    if (response.status === 206) {
      const { from, size } = contentRange(response);
      if (from !== 0 || size === undefined) {
        await response.body?.cancel();
        throw this.#wrong("sent a part without saying of what");
      }
      this.size = size;
      this.#head = await this.#collect(response, Math.min(wanted, size));
      return;
    }
    const length = Number(response.headers.get("content-length") ?? Number.NaN);
    if (!response.body || !Number.isSafeInteger(length) || response.headers.has("content-encoding")) {
      await response.body?.cancel();
      throw this.#wrong("answered neither with the requested bytes nor with the file's length");
    }
    this.size = length;
    this.#stream = { reader: response.body.getReader(), chunks: [], received: 0 };
  }

  /** Follows redirects itself: to see that each goes to an allowed place, and to keep the caller's headers from other hosts. */
  async #request(range: string): Promise<Response> {
    const { signal, headers } = this.#options;
    const origin = new URL(this.name).origin;
    for (let hop = 0; hop <= mostRedirects; hop++) {
      if (this.#url.protocol !== "https:" && !(this.#url.protocol === "http:" && loopback.test(this.#url.hostname))) {
        throw new InvalidOptionError("", `expected an https URL, received ${JSON.stringify(this.#url.href)}${hop ? " by a redirect" : ""}`);
      }
      const response = await this.#fetch({
        redirect: "manual",
        headers: { "accept-encoding": "identity", ...(this.#url.origin === origin ? headers : {}), range },
        signal: AbortSignal.any([AbortSignal.timeout(patience), ...(signal ? [signal] : [])]),
      });
      if (response.ok) return response;
      await response.body?.cancel();
      const target = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || !target) throw this.#wrong(statusText(response.status, this.name));
      if (!URL.canParse(target, this.#url.href)) throw this.#wrong("redirects to what is no URL");
      this.#url = new URL(target, this.#url.href);
    }
    throw this.#wrong(`redirects more than ${mostRedirects} times`);
  }

  async #fetch(init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.#url, init);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** The answer's bytes, exactly as many as were asked for. */
  async #collect(response: Response, length: number): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let received = 0;
    try {
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        chunks.push(chunk);
        received += chunk.length;
        if (received > length) break; // leaving the loop cancels the rest
      }
    } catch (error) {
      throw this.#failed(error);
    }
    if (received !== length) throw this.#wrong(`sent ${received > length ? "more" : "less"} than the ${length} bytes it announced`);
    return Buffer.concat(chunks);
  }

  async #readStream(stream: Stream, offset: number, end: number): Promise<Buffer> {
    if (end > this.headerLimit) throw this.#wrong("does not answer Range requests, and more than the beginning of the file is needed");
    while (stream.received < end) {
      const { value, done } = await stream.reader.read().catch((error) => {
        throw this.#failed(error);
      });
      if (done || !value) throw this.#wrong(`ended after ${stream.received} of ${this.size} bytes`);
      stream.chunks.push(Buffer.from(value));
      stream.received += value.length;
    }
    const all = Buffer.concat(stream.chunks);
    stream.chunks = [all];
    return all.subarray(offset, end);
  }

  #failed(error: unknown): unknown {
    const { signal } = this.#options;
    if (signal?.aborted) return signal.reason;
    const { name, message, cause } = error as Error;
    if (name === "TimeoutError") return this.#wrong(`did not answer within ${patience / 1000} seconds`, error);
    return this.#wrong(`cannot be reached: ${(cause as Error | undefined)?.message || message}`, error);
  }

  #wrong(what: string, cause?: unknown): DownloadError {
    return new DownloadError(`${this.name} ${what}.`, { cause });
  }
}

/** @throws InvalidOptionError */
export function parseUrl(text: string): URL {
  if (!URL.canParse(text)) throw new InvalidOptionError("", `expected a URL, received ${JSON.stringify(text)}`);
  return new URL(text);
}

function contentRange(response: Response): { from?: number; size?: number } {
  const [, from, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  return { from: from === undefined ? undefined : Number(from), size: size === undefined ? undefined : Number(size) };
}

function statusText(status: number, url: string): string {
  const page = /^(https?:\/\/[^/]+\/[^/]+\/[^/]+)\/(?:resolve|blob|raw)\//.exec(url)?.[1]; // as the hub's addresses are made
  if (status === 401 || status === 403)
    return `needs permission (status ${status}): accept the model's license on its page${page ? ` ${page}` : ""} and give a token`;
  if (status === 404) return "does not exist (status 404)";
  if (status === 416) return "is empty (status 416)";
  return `answered with status ${status}`;
}
