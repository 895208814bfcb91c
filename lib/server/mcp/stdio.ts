import { createCore } from "../core.js";
import type { HandlerOptions } from "../options.js";

export interface McpOptions extends Omit<HandlerOptions, "apiKeys" | "allowedHosts" | "corsOrigins" | "basePath"> {
  /** Ends it. */
  signal?: AbortSignal;
}

/**
 * Serves the Model Context Protocol on this process's stdin and stdout, on which nothing else may be written; resolves when the client has left, with
 * its work canceled and the models unloaded.
 * @throws InvalidOptionError for a wrong option
 */
export async function serveMcp({ signal, ...options }: McpOptions = {}): Promise<void> {
  const core = createCore(options);
  const { servePipe } = await import("./pipe.js"); // with the protocol's package, which others need not load
  await servePipe(core, signal);
  await core.close();
}
