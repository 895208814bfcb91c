import { StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import type { Core } from "../core.js";
import { createTools } from "./tools.js";

/** The tools on this process's stdin and stdout; resolves when the client has left, or `signal` has aborted. */
export async function servePipe(core: Core, signal?: AbortSignal): Promise<void> {
  const { maxBody, onLog } = core.options;
  const transport = new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: maxBody });
  const handle = serveStdio(() => createTools(core, "stdio"), { transport, onerror: (error) => onLog?.(`mcp: ${error.message}`) });
  const { onclose } = transport;
  const closed = new Promise<void>((resolve) => {
    transport.onclose = () => {
      onclose?.();
      resolve();
    };
  });
  const stop = () => void handle.close();
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  await closed;
  signal?.removeEventListener("abort", stop);
}
