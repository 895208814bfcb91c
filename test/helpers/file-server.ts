import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FileServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  url: string;
  requests: { path: string; range?: string; authorization?: string }[];
  /** Bytes of all answers. */
  sent(): number;
}

export type Handler = (request: IncomingMessage, response: ServerResponse, name: string) => void;

/** A server on this machine; `handle` answers, and `sendFile` may be the answer. */
export async function fileServer(handle: Handler): Promise<FileServer> {
  const requests: FileServer["requests"] = [];
  let sent = 0;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://x");
    const { range, authorization } = request.headers;
    requests.push({ path: pathname, ...(range && { range }), ...(authorization && { authorization }) });
    const { socket } = request;
    const before = socket.bytesWritten;
    response.on("close", () => {
      sent += socket.bytesWritten - before;
    });
    handle(request, response, pathname.slice(1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}`, requests, sent: () => sent, [Symbol.asyncDispose]: close };
}

/** A correct answer, with ranges. */
export function sendFile(request: IncomingMessage, response: ServerResponse, data: Buffer): void {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  if (from === undefined) {
    response.writeHead(200, { "content-length": data.length });
    response.end(data);
    return;
  }
  if (Number(from) >= data.length) {
    response.writeHead(416, { "content-range": `bytes */${data.length}` });
    response.end();
    return;
  }
  const part = data.subarray(Number(from), Number(to) + 1);
  response.writeHead(206, {
    "content-length": part.length,
    "content-range": `bytes ${from}-${Number(from) + part.length - 1}/${data.length}`,
  });
  response.end(part);
}
