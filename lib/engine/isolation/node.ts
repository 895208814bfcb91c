import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { readLines } from "./output.js";
import { Ending, type EngineProcess, type Program, type Watcher } from "./watcher.js";

interface Handle {
  ref(): void;
  unref(): void;
}

/** In Node, in its worker threads, and in Electron's processes other than the main one. */
export function forkNode({ file, ...program }: Program, watcher: Watcher): EngineProcess {
  const options: ForkOptions & { windowsHide: true } = {
    ...program,
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    windowsHide: true,
  };
  let child: ChildProcess;
  try {
    child = fork(file, options);
  } catch (error) {
    return notStarted(watcher, error as Error);
  }
  const ending = new Ending(watcher);
  const endOf = (exitCode: number | null, signal: string | null) => ({ exitCode: exitCode ?? undefined, signal: signal ?? undefined });
  for (const stream of [child.stdout, child.stderr]) readLines(stream, watcher.output);
  child.on("message", ending.message);
  child.on("exit", (exitCode, signal) => ending.exited(endOf(exitCode, signal)));
  child.on("close", (exitCode, signal) => ending.drained(endOf(exitCode, signal)));
  child.on("error", (failure) => {
    if (child.pid === undefined) ending.drained({ failure }); // else it was a message to one that has just died
  });
  return {
    send: (request) => child.send(request, () => {}),
    kill: () => child.kill("SIGKILL"),
    hold: (wanted) => {
      const handles = [child, child.channel, child.stdout, child.stderr] as unknown as (Handle | null | undefined)[];
      for (const handle of handles) {
        if (wanted) handle?.ref();
        else handle?.unref();
      }
    },
  };
}

export function notStarted(watcher: Watcher, failure: Error): EngineProcess {
  setImmediate(() => watcher.end({ failure }));
  return { send: () => {}, kill: () => {}, hold: () => {} };
}
