import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { a1111 } from "./a1111/a1111.js";
import { azure } from "./azure.js";
import { type Convention, type Core, createCore, type Env, type RequestContext } from "./core.js";
import { describeError, HttpError } from "./errors.js";
import { checkHost, checkOrigin, checkType, ownerOf } from "./gate.js";
import { health } from "./health.js";
import { huggingface } from "./huggingface.js";
import { mcp } from "./mcp/mcp.js";
import { metrics } from "./metrics.js";
import { native } from "./native/native.js";
import { openai } from "./openai/openai.js";
import type { HandlerOptions } from "./options.js";
import { isOfPage, page } from "./page/page.js";
import { stability } from "./stability.js";

/** In the order in which they are asked for the shape of an error; the last takes what no other one owns. */
const conventions: readonly Convention[] = [openai, a1111, stability, azure, huggingface, mcp, native];

/** Of requests and answers, what pages of allowed origins may send and read beside the harmless ones. */
const allowedHeaders =
  "authorization, content-type, api-key, x-api-key, last-event-id, extra-parameters, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name";
const exposedHeaders =
  "x-request-id, x-seed, x-should-retry, x-sdcpp-job, x-sdcpp-model, x-sdcpp-seed, x-sdcpp-warning, retry-after, location, seed, finish-reason, mcp-session-id";

/** Answers web-standard requests; mount it where you like. */
export interface Handler extends AsyncDisposable {
  /** Hands a request to it, as `fetch(request)`. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /**
   * The same as a listener of Node's `http`, for Express, Fastify and others: give it requests whose body nobody has read yet. Where a router
   * has cut its prefix off (`originalUrl`), it counts as there: say it as `basePath`.
   */
  node(incoming: IncomingMessage & { originalUrl?: string }, outgoing: ServerResponse): Promise<void>;
  /** Ids of the models that may be asked for, the default one first. */
  models(): Promise<string[]>;
  /** Jobs in work (0 or 1) and in line. */
  work(): { running: number; waiting: number };
  /** Takes no more work (503), and resolves when what was taken has ended. */
  drain(): Promise<void>;
  /** Cancels all work and unloads the models. */
  close(): Promise<void>;
}

/**
 * The server as one function `(Request) => Promise<Response>`, for Express, Fastify, Next, Electron and the like.
 * Loads nothing before the first picture is asked for.
 * @throws InvalidOptionError for a wrong option
 */
export function createHandler(options: HandlerOptions = {}): Handler {
  const core = createCore(options);
  const app = createApp(core);
  const listener = getRequestListener((request) => app.fetch(request), { overrideGlobalObjects: false }); // they are the host's
  return {
    node: (incoming, outgoing) => {
      if (incoming.originalUrl !== undefined) incoming.url = incoming.originalUrl;
      return listener(incoming, outgoing);
    },
    fetch: async (request) => app.fetch(request),
    models: async () => (await core.models.list()).map(({ id }) => id),
    work: () => ({ running: core.jobs.running ? 1 : 0, waiting: core.jobs.waiting }),
    drain: () => core.jobs.drain(),
    close: () => core.close(),
    [Symbol.asyncDispose]: () => core.close(),
  };
}

function createApp(core: Core): Hono<Env> {
  const { options } = core;
  const { basePath } = options;
  const app = new Hono<Env>();
  const inside = (context: RequestContext) => context.req.path.slice(basePath.length) || "/";
  const ownerConvention = (context: RequestContext) => conventions.find((one) => one.owns(inside(context))) as Convention;

  app.use(async (context, next) => {
    const { raw: request } = context.req;
    context.set("requestId", randomUUID());
    context.header("x-request-id", context.get("requestId"));
    context.header("x-content-type-options", "nosniff");
    context.header("referrer-policy", "no-referrer");
    context.header("cross-origin-resource-policy", "same-origin");
    if (options.apiKeys.length === 0 || options.allowedHosts.length > 0) checkHost(request, options);
    const origin = checkOrigin(request, options);
    if (origin) {
      context.header("access-control-allow-origin", origin);
      context.header("cross-origin-resource-policy", "cross-origin");
      context.header("access-control-expose-headers", exposedHeaders);
      context.header("vary", "Origin");
      if (request.method === "OPTIONS") {
        context.header("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE");
        context.header("access-control-allow-headers", allowedHeaders);
        context.header("access-control-max-age", "600");
        return context.body(null, 204);
      }
    }
    checkType(request);
    const open = isOpen(inside(context)) || (options.page && isOfPage(inside(context)));
    if (!open) context.set("owner", ownerOf(request, options, ownerConvention(context).auth));
    await next();
  });

  const routes = basePath ? app.basePath(basePath) : app;
  health(routes, core);
  metrics(routes, core);
  if (options.page) page(app, core);
  for (const convention of conventions) convention.mount(routes, core);

  app.notFound((context) => answer(context, new HttpError(404, "not_found", "There is nothing at this address.")));
  app.onError((error, context) => answer(context, error));

  function answer(context: RequestContext, error: unknown): Response {
    const requestId = context.get("requestId");
    const info = describeError(error, core.roots);
    if (info.code === "internal_error")
      options.onLog?.(`${requestId} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    for (const [name, value] of Object.entries(info.headers)) context.header(name, value);
    if (info.status === 429) context.header("retry-after", String(core.jobs.retryAfter));
    return context.json(ownerConvention(context).errorBody(info, { requestId }), info.status as ContentfulStatusCode);
  }

  return app;
}

/** Nothing there tells of jobs, models or files but to whom was told its address. */
function isOpen(path: string): boolean {
  return path === "/health" || path === "/ready" || conventions.some((one) => one.isOpen?.(path));
}
