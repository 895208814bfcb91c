import { spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";

/** A server in a process of its own, which is ended with the block that uses it. */
export interface Served extends AsyncDisposable {
  url: string;
  /** All that it has printed. */
  printed(): string;
  /** Waits until it has printed something like that. */
  says(what: RegExp): Promise<void>;
}

/** Servers that take PORT but do not tell which one they got cannot be given 0. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const printedUrl = /http:\/\/127\.0\.0\.1:\d+/;

/**
 * Starts `node <args>` in `cwd` and waits until it answers. It is told where to listen by PORT and HOSTNAME; with `PORT: "0"` in `env`, it tells its
 * address itself.
 */
export async function serve(cwd: string, args: string[], env: NodeJS.ProcessEnv): Promise<Served> {
  const port = env.PORT ?? String(await freePort());
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...env, PORT: port, HOSTNAME: "127.0.0.1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      output += text;
    });
  }
  const url = () => (port === "0" ? printedUrl.exec(output)?.[0] : `http://127.0.0.1:${port}`);
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const printed = () => output;
  while (!(await answers(url()))) {
    if (ended()) throw new Error(`The server ended before it answered: ${output}`);
    await pause();
  }
  return {
    url: url() as string,
    printed,
    says: async (what) => {
      while (!what.test(output)) {
        if (ended()) throw new Error(`The server ended without saying ${what}: ${output}`);
        await pause();
      }
    },
    [Symbol.asyncDispose]: async () => {
      if (ended()) return;
      child.kill();
      await once(child, "exit");
    },
  };
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

async function answers(url: string | undefined): Promise<boolean> {
  if (!url) return false;
  return fetch(url, { method: "HEAD" }).then(
    () => true,
    () => false,
  );
}
