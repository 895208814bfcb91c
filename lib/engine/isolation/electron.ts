import type { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { PassThrough, type Readable } from "node:stream";
import { nativeError } from "../../errors.js";
import type { End } from "./crash.js";
import { readLines } from "./output.js";
import { Ending, type EngineProcess, type Program, type Watcher } from "./watcher.js";

/** The parts of the module `electron`, in its main process, that are used here. */
export interface Electron {
  app: EventEmitter & { isReady(): boolean };
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

/** What Electron says of a process that was killed or has crashed. */
interface Gone {
  name?: string;
  exitCode: number;
}

const serviceName = "node-sd-cpp engine";
const gone = "child-process-gone";
const longestVerdict = 200; // ms

/** Only the main process can start utility processes. A plain `require` would have bundlers look for a package of that name. */
export function electron(): Electron | undefined {
  return (process as { type?: string }).type === "browser" ? createRequire(__filename)("electron") : undefined;
}

/** @throws NativeError before the app is ready */
export function forkUtility({ app, utilityProcess }: Electron, { file, ...program }: Program, watcher: Watcher): EngineProcess {
  if (!app.isReady()) {
    throw nativeError(
      "ERR_INVALID_OPTION",
      "isolate: expected Electron's app to be ready, received it before; await app.whenReady() first",
    );
  }
  const child = utilityProcess.fork(file, [], { ...program, stdio: "pipe", serviceName });
  const ending = new Ending(watcher);
  const outputs = [child.stdout, child.stderr].filter((stream) => stream !== null).map((stream) => new Output(stream, watcher));
  child.on("message", ending.message);
  child.on("error", (type: string, location: string) => watcher.output(`FATAL ERROR: ${type} ${location}`)); // of V8, as at its memory limit
  let asked = false;
  let exited = false;
  child.on("exit", async (exitCode: number) => {
    exited = true;
    ending.exited({ exitCode });
    process.nextTick(() => {
      for (const output of outputs) output.resume();
    });
    const [end] = await Promise.all([asked ? { exitCode } : verdict(app, exitCode), ...outputs.map(({ closed }) => closed)]);
    ending.drained(end);
  });
  return {
    send: (request) => {
      asked ||= request.type === "end";
      if (!exited) child.postMessage(request);
    },
    kill: () => {
      if (!killNow(child.pid)) child.kill(); // which sends SIGTERM first
    },
    hold: () => {}, // an Electron app ends when it says so
  };
}

/** A stream of a utility process. On exit Electron takes the listeners from its streams, whatever is still on the way. */
class Output {
  readonly #lines = new PassThrough();
  readonly closed = new Promise((resolve) => this.#lines.once("close", resolve));

  constructor(
    private readonly stream: Readable,
    watcher: Watcher,
  ) {
    readLines(this.#lines, watcher.output);
    this.resume();
  }

  resume(): void {
    this.stream.pipe(this.#lines);
  }
}

/**
 * How a process has ended: its exit event has a number for a signal's and for an exit code, and at times 0 for a crash. Of a signal, Electron
 * tells in another event, just after it.
 */
function verdict(app: EventEmitter, exitCode: number): Promise<End> {
  return new Promise((resolve) => {
    const settle = (end: End) => {
      clearTimeout(timer);
      app.off(gone, onGone);
      resolve(end);
    };
    const onGone = (_event: unknown, { name, exitCode: code }: Gone) => {
      if (name === serviceName) settle(endOf(code));
    };
    const timer = setTimeout(() => settle({ exitCode }), longestVerdict);
    app.on(gone, onGone);
  });
}

function endOf(code: number): End {
  const signals = process.platform === "win32" ? [] : Object.entries(constants.signals);
  const signal = signals.find(([, number]) => number === code)?.[0];
  return signal ? { signal } : { exitCode: code };
}

function killNow(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, "SIGKILL");
  } catch {
    return false; // it has just ended
  }
}
