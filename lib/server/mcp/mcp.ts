import type { Convention, RequestContext } from "../core.js";

/** The Model Context Protocol at /mcp: language models' programs draw by tools. The protocol's package is loaded by the first request. */
export const mcp: Convention = {
  name: "mcp",
  owns: (path) => path === "/mcp",
  mount(app, core) {
    let endpoint: Promise<{ answer(context: RequestContext): Promise<Response> }> | undefined;
    app.on(["GET", "POST", "DELETE"], "/mcp", async (context) => {
      endpoint ??= import("./http.js").then(({ Endpoint }) => new Endpoint(core));
      return withHeaders(await (await endpoint).answer(context), context);
    });
  },
  errorBody: ({ code, message, param }) => ({ jsonrpc: "2.0", error: { code: -32_000, message, data: { code, param } }, id: null }),
};

/** The gate's headers go with an answer that the protocol's package has made. */
function withHeaders(answer: Response, context: RequestContext): Response {
  const headers = new Headers(context.res.headers);
  for (const [name, value] of answer.headers) headers.set(name, value);
  return new Response(answer.body, { status: answer.status, headers });
}
