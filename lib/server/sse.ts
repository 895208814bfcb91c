import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import type { RequestContext } from "./core.js";

const keepAliveMs = 15_000;

/**
 * An answer of server-sent events. `send` is given an AbortSignal that aborts when the client is gone; a comment a few times a minute keeps
 * proxies from closing a quiet line.
 */
export function events(context: RequestContext, send: (stream: SSEStreamingApi, signal: AbortSignal) => Promise<void>): Response {
  context.header("cache-control", "no-store");
  context.header("x-accel-buffering", "no");
  if (context.req.method === "HEAD") return context.body(null, 200, { "content-type": "text/event-stream" }); // nobody would read it, or leave
  return streamSSE(context, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const timer = setInterval(() => void stream.write(": still here\n\n"), keepAliveMs);
    try {
      await send(stream, gone.signal);
    } finally {
      clearInterval(timer);
    }
  });
}
