import type { End } from "./crash.js";
import type { Reply, Request } from "./protocol.js";

/** A process that runs worker.ts, however it was started. */
export interface EngineProcess {
  send(request: Request): void;
  /** At once. */
  kill(): void;
  /** Whether our process waits for this one; at first it does. */
  hold(wanted: boolean): void;
}

/** Who started it. */
export interface Watcher {
  message(reply: Reply): void;
  /** A line that it printed. */
  output(line: string): void;
  /** It is gone, and what it sent and printed has arrived. Called once, and last. */
  end(end: End): void;
}

/** What is to be started. */
export interface Program {
  file: string;
  execArgv: string[];
  /** Where relative paths of files begin, also after a restart. */
  cwd: string;
  env: NodeJS.ProcessEnv;
}

const longestDrain = 1000; // ms

/** Sees to it that a watcher hears of one end, and of nothing after it. */
export class Ending {
  #ended = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly watcher: Watcher) {}

  readonly message = (reply: Reply): void => {
    if (!this.#ended) this.watcher.message(reply);
  };

  /** The process has exited, and its last words may be on their way. A program that it started may hold its pipes open for longer. */
  exited(end: End): void {
    this.#timer ??= setTimeout(() => this.drained(end), longestDrain);
  }

  drained(end: End): void {
    clearTimeout(this.#timer);
    if (this.#ended) return;
    this.#ended = true;
    this.watcher.end(end);
  }
}
