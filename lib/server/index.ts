export { createHandler, type Handler } from "./handler.js";
export { type McpOptions, serveMcp } from "./mcp/stdio.js";
export { type HandlerOptions, type LoadOptions, loadTable, serverOptions } from "./options.js";
export { listenOptions, type RunningServer, type ServeOptions, serve } from "./serve.js";
