import { fork, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { NoBinaryError } from "../errors.js";
import type { Progress } from "./progress.js";

/** What is told of a build: each line that it prints, and how far it is. */
export interface Show {
  line?: (line: string) => void;
  step?: Progress["update"];
}

/** "[12/269] …" of ninja, "[ 12%] …" of make. */
const stepLine = /^\[\s*(\d+)(?:\/(\d+)|%)\]/;
const keptLines = 20;

/**
 * Runs the package's build script, which builds aside and renames the addon to where it is looked for. Stopped by `signal` with all that it has
 * started.
 * @param root the package's folder
 * @param backends as in SDCPP_BACKENDS
 * @throws NoBinaryError what is missing in one sentence, or with the last lines of a compiler
 */
export async function compile(root: string, backends: string | undefined, show: Show, signal: AbortSignal): Promise<void> {
  const { NODE_OPTIONS: _, ...rest } = process.env; // another package manager's loaders do not know the tools that npm fetches
  const env = { ...rest, ...(backends !== undefined && { SDCPP_BACKENDS: backends }) };
  const checkout = existsSync(path.join(root, "lib", "index.ts"));
  const windows = process.platform === "win32";
  const child = fork(path.join(root, "scripts", "build-native.js"), checkout ? [] : ["--tidy"], {
    cwd: root,
    env,
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: !windows, // a group of its own, to be ended with its compilers
  });
  const stop = () => {
    const pid = child.pid as number;
    if (windows) spawn("taskkill", ["/pid", String(pid), "/t", "/f"], { stdio: "ignore" });
    else process.kill(-pid, "SIGTERM");
  };
  const reader = new Reader(show);
  for (const stream of [child.stdout, child.stderr]) if (stream) createInterface(stream).on("line", (line) => reader.read(line));
  let reason: string | undefined;
  child.on("message", (message: { message: string }) => {
    reason = message.message;
  });
  signal.addEventListener("abort", stop);
  try {
    const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
    signal.throwIfAborted();
    if (code === 0) return;
    const failed = (reason ?? "the build script ended without a reason").replace(
      "its output is above",
      "its last lines are below, --verbose shows all",
    );
    throw new NoBinaryError(`The addon was not built: ${failed}`, { log: reader.compiled ? reader.last : [] });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Reads what a build prints. */
class Reader {
  last: string[] = [];
  /** Whether a compiler had its turn. */
  compiled = false;
  readonly #show: Show;
  readonly #begin = performance.now();

  constructor(show: Show) {
    this.#show = show;
  }

  read(line: string): void {
    this.#show.line?.(line);
    this.last = [...this.last, line].slice(-keptLines);
    const [, done, of = "100"] = stepLine.exec(line) ?? [];
    if (!done) return;
    this.compiled = true;
    const [step, steps] = [Number(done), Number(of)];
    const secondsPerStep = (performance.now() - this.#begin) / 1000 / Math.max(1, step);
    this.#show.step?.({ phase: "compile", step, steps, image: 0, images: 1, secondsPerStep, eta: secondsPerStep * (steps - step) });
  }
}
