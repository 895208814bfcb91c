import type { EventEmitter } from "node:events";
import type { Readable } from "node:stream";
import { nativeError } from "../errors.js";
import { readLines } from "./output.js";
import { Ending, type EngineProcess, type Program, type Watcher } from "./watcher.js";

/** The parts of the module `electron`, in its main process, that are used here. */
export interface Electron {
  app: { isReady(): boolean };
  utilityProcess: {
    fork(file: string, args: string[], options: Omit<Program, "file"> & { stdio: "pipe"; serviceName: string }): UtilityProcess;
  };
}

interface UtilityProcess extends EventEmitter {
  readonly pid: number | undefined;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  postMessage(message: unknown): void;
  kill(): boolean;
}

/** Only the main process can start utility processes. */
export function electron(): Electron | undefined {
  return (process as { type?: string }).type === "browser" ? require("electron") : undefined;
}

/** @throws NativeError before the app is ready */
export function forkUtility({ app, utilityProcess }: Electron, { file, ...program }: Program, watcher: Watcher): EngineProcess {
  if (!app.isReady()) {
    throw nativeError(
      "ERR_INVALID_OPTION",
      "isolate: expected Electron's app to be ready, received it before; await app.whenReady() first",
    );
  }
  const child = utilityProcess.fork(file, [], { ...program, stdio: "pipe", serviceName: "node-sd-cpp engine" });
  const ending = new Ending(watcher);
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  const closed = Promise.all(streams.map((stream) => new Promise((resolve) => stream.once("close", resolve))));
  for (const stream of streams) readLines(stream, watcher.output);
  child.on("message", ending.message);
  child.on("error", (type: string, location: string) => watcher.output(`FATAL ERROR: ${type} ${location}`)); // of V8, as at its memory limit
  let exited = false;
  child.on("exit", (exitCode: number) => {
    exited = true;
    ending.exited({ exitCode });
    closed.then(() => ending.drained({ exitCode }));
  });
  return {
    send: (request) => {
      if (!exited) child.postMessage(request);
    },
    kill: () => {
      if (!killNow(child.pid)) child.kill(); // which sends SIGTERM first
    },
    hold: () => {}, // an Electron app ends when it says so
  };
}

function killNow(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, "SIGKILL");
  } catch {
    return false; // it has just ended
  }
}
