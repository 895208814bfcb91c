import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const sums = new WeakMap<Buffer, string>();

export function sha256(data: Buffer): string {
  const sum = sums.get(data) ?? createHash("sha256").update(data).digest("hex");
  sums.set(data, sum);
  return sum;
}

/** What the server does with one request, instead of what is right. */
export interface Fault {
  /** An answer without the file. */
  status?: number;
  headers?: Record<string, string>;
  /** Cuts the connection after so many bytes of the body. */
  dropAfter?: number;
  /** Stays silent after so many bytes of the body; with -1 before the headers. */
  silentAfter?: number;
  /** What Content-Length says, whatever is sent; null for none (chunked). */
  declares?: number | null;
  /** The whole file, though a part was asked for. */
  ignoresRange?: boolean;
  /** The asked part, though If-Range names another version. */
  ignoresIfRange?: boolean;
  /** Content-Range begins so many bytes further on. */
  rangeShift?: number;
  /** Other bytes of the same length. */
  body?: Buffer;
  etag?: string | null;
  /** The hub's x-linked-… headers; null for none. */
  linked?: { sha256?: string; bytes?: number } | null;
  /** Pieces of so many bytes, with a millisecond between them. */
  throttle?: number;
}

export interface SeenRequest {
  path: string;
  range?: string;
  ifRange?: string;
  authorization?: string;
}

/** A server like the hub, on this machine. Faults are used up one a request, in their order; `always` stays. */
export class TestHub {
  readonly files = new Map<string, Buffer>();
  readonly faults = new Map<string, Fault[]>();
  readonly always = new Map<string, Fault>();
  readonly requests: SeenRequest[] = [];
  /** Bytes of bodies that were sent. */
  sent = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response).catch(() => response.destroy()));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined);
    });
  }

  static async start(): Promise<TestHub> {
    const hub = new TestHub();
    await new Promise<void>((resolve) => hub.#server.listen(0, "127.0.0.1", resolve));
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** `name` is the end of the path, as "model.gguf". */
  fail(name: string, ...faults: Fault[]): void {
    this.faults.set(name, [...(this.faults.get(name) ?? []), ...faults]);
  }

  requestsOf(name: string): SeenRequest[] {
    return this.requests.filter(({ path }) => path.endsWith(name));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    const name = path.slice(path.lastIndexOf("/") + 1);
    const { range, authorization, "if-range": ifRange } = request.headers;
    this.requests.push({ path, range, authorization, ifRange: ifRange as string | undefined });
    const fault = this.faults.get(name)?.shift() ?? this.always.get(name) ?? {};
    if (fault.silentAfter === -1) return;
    if (fault.status) return void response.writeHead(fault.status, fault.headers).end("no file");
    const file = fault.body ?? this.files.get(path.replace(/^.*\/resolve\/main/, "")) ?? this.files.get(name);
    if (!file) return void response.writeHead(404).end();
    await this.#send(file, fault, { range, ifRange: ifRange as string | undefined }, response);
  }

  async #send(file: Buffer, fault: Fault, asked: { range?: string; ifRange?: string }, response: ServerResponse): Promise<void> {
    const etag = fault.etag === undefined ? `"${sha256(file).slice(0, 16)}"` : fault.etag;
    const headers: Record<string, string> = { ...fault.headers, ...(etag && { etag }) };
    if (fault.linked !== null) {
      headers["x-linked-etag"] = `"${fault.linked?.sha256 ?? sha256(file)}"`;
      headers["x-linked-size"] = String(fault.linked?.bytes ?? file.length);
      headers["x-repo-commit"] = "0123456789abcdef";
    }
    const same = fault.ignoresIfRange || !asked.ifRange || asked.ifRange === etag;
    const [, first = Number.NaN, last = ""] = (same && !fault.ignoresRange && /^bytes=(\d+)-(\d*)$/.exec(asked.range ?? "")) || [];
    const from = Number(first);
    const to = Math.min(file.length, last ? Number(last) + 1 : file.length);
    const partial = !Number.isNaN(from);
    if (partial && from >= file.length) return void response.writeHead(416, { "content-range": `bytes */${file.length}` }).end();
    const body = partial ? file.subarray(from, to) : file;
    if (partial) headers["content-range"] = `bytes ${from + (fault.rangeShift ?? 0)}-${to - 1}/${file.length}`;
    if (fault.declares !== null) headers["content-length"] = String(fault.declares ?? body.length);
    response.writeHead(partial ? 206 : 200, headers);
    await this.#write(body, fault, response);
  }

  async #write(body: Buffer, { dropAfter, silentAfter, throttle }: Fault, response: ServerResponse): Promise<void> {
    const end = Math.min(body.length, dropAfter ?? Infinity, silentAfter ?? Infinity);
    const step = throttle ?? 16_384;
    response.flushHeaders();
    for (let at = 0; at < end && !response.destroyed; at += step) {
      const piece = body.subarray(at, Math.min(at + step, end));
      this.sent += piece.length;
      if (!response.write(piece)) await drained(response);
      if (throttle) await sleep(1);
    }
    if (silentAfter !== undefined) return;
    if (dropAfter === undefined) response.end();
    else response.socket?.destroySoon(); // after what was written; destroy() would take that back
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      response.off("drain", go).off("close", go);
      resolve();
    };
    response.on("drain", go).on("close", go);
  });
}
