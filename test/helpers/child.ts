import { spawn } from "node:child_process";

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface ChildOptions {
  /** Of Node. */
  flags?: string[];
  env?: NodeJS.ProcessEnv;
  /** Runs before the script, in the same process: `ulimit -v 1000`. */
  shell?: string;
  /** Called once, when the child has printed something. */
  onOutput?: (kill: (signal: NodeJS.Signals) => void) => void;
}

const longest = 300_000; // ms; sanitizers are slow

/** Runs a script in a Node process of its own to its end, however it ends. */
export function runChild(script: string, args: string[], { flags = [], env, shell, onOutput }: ChildOptions = {}): Promise<Ended> {
  const command = [process.execPath, ...flags, script, ...args];
  const [program = "", ...rest] = shell ? ["bash", "-c", `${shell}; exec "$@"`, "bash", ...command] : command;
  return new Promise((resolve, reject) => {
    const running = spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    const limit = setTimeout(() => running.kill("SIGKILL"), longest);
    const ended = { stdout: "", stderr: "" };
    running.stdout.once("data", () => onOutput?.((signal) => running.kill(signal)));
    for (const stream of ["stdout", "stderr"] as const) {
      running[stream].on("data", (data) => {
        ended[stream] += data;
      });
    }
    running.on("error", reject);
    running.on("close", (code, signal) => {
      clearTimeout(limit);
      resolve({ ...ended, code, signal });
    });
  });
}
