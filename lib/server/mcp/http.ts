import { randomUUID } from "node:crypto";
import {
  createMcpHandler,
  isInitializeRequest,
  isLegacyRequest,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { readFields } from "../body.js";
import type { Core, RequestContext } from "../core.js";
import { HttpError } from "../errors.js";
import { createTools } from "./tools.js";

interface Session {
  owner: string;
  transport: WebStandardStreamableHTTPServerTransport;
  /** Milliseconds. */
  lastUse: number;
}

/** Of one owner: nobody ends another one's. */
const mostSessions = 200;
const idleMs = 24 * 60 * 60_000; // people come back to a conversation, and not every program begins another session then

/**
 * MCP's Streamable HTTP. Clients of the protocol since 2026 send requests that stand alone; those of before begin a session, which their cancel
 * refers to, and requests of theirs without one are answered alone too.
 */
export class Endpoint {
  readonly #core: Core;
  readonly #sessions = new Map<string, Session>();
  readonly #alone: ReturnType<typeof createMcpHandler>;

  constructor(core: Core) {
    this.#core = core;
    this.#alone = createMcpHandler(({ authInfo }) => createTools(core, authInfo?.clientId ?? ""), {
      maxRequestBodySize: core.options.maxBody,
      onerror: (error) => core.options.onLog?.(`mcp: ${error.message}`),
    });
    core.onClose(() => void this.#close());
  }

  async answer(context: RequestContext): Promise<Response> {
    const request = context.req.raw;
    const owner = context.get("owner");
    const parsedBody = request.method === "POST" ? await readFields(context, this.#core.options) : undefined;
    const id = request.headers.get("mcp-session-id");
    if (id !== null) return this.#session(id, owner).transport.handleRequest(request, { parsedBody });
    if (isInitializeRequest(parsedBody) && (await isLegacyRequest(request, parsedBody))) return this.#begin(request, parsedBody, owner);
    return this.#alone.fetch(request, { parsedBody, authInfo: { token: "", clientId: owner, scopes: [] } });
  }

  #session(id: string, owner: string): Session {
    const session = this.#sessions.get(id);
    if (!session || session.owner !== owner) throw new HttpError(404, "not_found", "There is no such session, or it was idle too long.");
    session.lastUse = Date.now();
    return session;
  }

  async #begin(request: Request, parsedBody: unknown, owner: string): Promise<Response> {
    this.#forget(owner);
    const id = randomUUID();
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      maxRequestBodySize: this.#core.options.maxBody,
    });
    const server = createTools(this.#core, owner);
    server.server.onclose = () => this.#sessions.delete(id);
    await server.connect(transport);
    this.#sessions.set(id, { owner, transport, lastUse: Date.now() });
    return transport.handleRequest(request, { parsedBody });
  }

  /** Ends those that are idle, and the oldest of an owner who has too many. Work of theirs is canceled. */
  #forget(owner: string): void {
    const all = [...this.#sessions.values()];
    const own = all.filter((session) => session.owner === owner).sort((a, b) => b.lastUse - a.lastUse);
    const idle = all.filter(({ lastUse }) => Date.now() - lastUse > idleMs);
    for (const { transport } of new Set([...own.slice(mostSessions - 1), ...idle])) void transport.close();
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map(({ transport }) => transport.close()));
    await this.#alone.close();
  }
}
