import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { InvalidOptionError } from "../errors.js";
import { checkOptions, type OptionTable } from "../options/check.js";
import { isLoopback } from "./gate.js";
import { createHandler, type Handler } from "./handler.js";
import type { HandlerOptions } from "./options.js";

export interface ServeOptions extends HandlerOptions {
  /** Address to listen on. Default: "127.0.0.1". */
  host?: string;
  /** 0 takes a free one. Default: 7860. */
  port?: number;
  /** Listen beyond this machine without a key. Default: false, which is refused. */
  insecure?: boolean;
  /** Seconds in which a request has to have come whole, 1 to 3600; its headers within 15. Default: 120. */
  requestSeconds?: number;
}

export interface RunningServer extends AsyncDisposable {
  /** "http://127.0.0.1:7860" */
  readonly url: string;
  readonly port: number;
  readonly handler: Handler;
  /** Takes no more requests, and ends when what was taken has ended. */
  drain(): Promise<void>;
  /** Cancels what is in work, and ends. */
  close(): Promise<void>;
}

export const listenOptions: OptionTable = {
  host: { kind: "string", maxBytes: 255, filled: true, default: "127.0.0.1", description: "Address to listen on" },
  port: { kind: "integer", min: 0, max: 65_535, default: 7860, description: "Port; 0 takes a free one" },
  insecure: { kind: "boolean", default: false, description: "Listen beyond this machine without a key" },
  requestSeconds: { kind: "integer", min: 1, max: 3600, default: 120, description: "Seconds in which a request has to have come whole" },
};

/** Slow or silent clients hold no line longer: headers, the whole request, a quiet connection. Milliseconds. */
function patience(seconds: number) {
  return {
    headersTimeout: Math.min(15, seconds) * 1000,
    requestTimeout: seconds * 1000,
    keepAliveTimeout: 10_000,
    connectionsCheckingInterval: Math.min(5, seconds / 2) * 1000,
  };
}
const mostConnections = 4096;

/**
 * Starts a server; resolves when it listens.
 * @throws InvalidOptionError for a wrong option, an address that cannot be had, or one beyond this machine without `apiKeys`
 */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const own = Object.fromEntries(Object.keys(listenOptions).map((name) => [name, options[name as keyof ServeOptions]]));
  const { host, port, insecure, requestSeconds } = checkOptions(listenOptions, own) as Required<ServeOptions>;
  const others: HandlerOptions = Object.fromEntries(Object.entries(options).filter(([name]) => !Object.hasOwn(listenOptions, name)));
  const open = !isLoopback(host);
  const keys = others.apiKeys?.length ?? 0;
  if (open && keys === 0 && !insecure)
    throw new InvalidOptionError("host", `expected apiKeys (--api-key) to listen on ${host}, which others can reach, or insecure: true`);
  const handler = createHandler({ ...others, ...(open && !others.allowedHosts && { allowedHosts: ["*"] }) });
  const server = createAdaptorServer({
    fetch: handler.fetch,
    serverOptions: patience(requestSeconds),
    overrideGlobalObjects: false,
  }) as Server;
  server.maxConnections = mostConnections;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    await handler.close();
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === "EADDRINUSE" ? "it is in use" : code === "EACCES" ? "no permission" : message;
    throw new InvalidOptionError("port", `${host}:${port} cannot be listened on: ${reason}`, { cause: error });
  }
  const { port: taken, family, address } = server.address() as AddressInfo;
  const stop = async (work: () => Promise<void>) => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    await work();
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 2000).unref(); // streams whose clients do not leave
    await closed;
    await handler.close();
  };
  let ending: Promise<void> | undefined;
  const close = () => {
    const closing = handler.close();
    ending ??= stop(() => closing);
    return ending;
  };
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${taken}`,
    port: taken,
    handler,
    drain: () => {
      ending ??= stop(() => handler.drain());
      return ending;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
