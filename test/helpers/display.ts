import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

/** A display for windows: the one of the environment, or an Xvfb of its own, which ends with the block that uses it. Undefined without either. */
export async function display(): Promise<(AsyncDisposable & { name: string }) | undefined> {
  const given = process.env.DISPLAY;
  if (given) return { name: given, [Symbol.asyncDispose]: async () => {} };
  const server = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const number = once(server.stdio[3] as Readable, "data").then(([data]) => String(data).trim());
  const name = await Promise.race([number, once(server, "error").then(() => undefined), once(server, "exit").then(() => undefined)]);
  if (!name) return;
  const end = async () => {
    server.kill();
    if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
  };
  return { name: `:${name}`, [Symbol.asyncDispose]: end };
}
