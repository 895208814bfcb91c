import type { NativeError } from "../../errors.js";
import type { NativeEvent, NativeJob } from "../binding.js";
import { crashError, type End } from "./crash.js";
import { RecentLines } from "./output.js";
import { startProcess } from "./process.js";
import { type Method, type Reply, reviveError } from "./protocol.js";
import type { EngineProcess } from "./watcher.js";

/** What the calls reject with whose process has died. */
export class Died {
  constructor(
    private readonly end: End,
    private readonly doing: string,
    private readonly output: readonly string[],
  ) {}

  /** @param sequel what happens next, a sentence */
  error(sequel?: string): NativeError {
    return crashError(this.end, this.doing, this.output, sequel);
  }
}

export interface SessionCall<T> extends NativeJob<T> {
  /** The process has received it, so that it may be why the process has died. */
  readonly started: boolean;
}

interface Pending {
  started: boolean;
  emit(event: NativeEvent): void;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Node's deserialized arrays are windows on the whole message; pixels are to have a buffer of their own, as those of native code do. */
function withOwnPixels<T>(value: T): T {
  const { data } = (value ?? {}) as { data?: unknown };
  if (!(data instanceof Uint8Array) || data.byteLength === data.buffer.byteLength) return value;
  return { ...value, data: new Uint8Array(data) };
}

/** One process of the engine, from its start to its end, and the calls that it has to answer. */
export class Session {
  readonly #process: EngineProcess;
  readonly #calls = new Map<number, Pending>();
  readonly #recent = new RecentLines();
  #ids = 0;
  /** It has said something. */
  #alive = false;
  #phase: { of: number; name: string } | undefined;

  /**
   * @param onDeath called before the calls reject, however it ends
   * @throws NativeError where no process can be started yet
   */
  constructor(cwd: string, onDeath: (died: Died) => void) {
    this.#process = startProcess(
      {
        message: (reply) => this.#receive(reply),
        output: (line) => this.#recent.push(line),
        end: (end) => {
          const died = new Died(end, this.#doing, [...this.#recent.lines]);
          onDeath(died);
          for (const { reject } of this.#calls.values()) reject(died);
        },
      },
      cwd,
    );
  }

  call<T>(method: Method, args: unknown[], emit: (event: NativeEvent) => void = () => {}): SessionCall<T> {
    const id = ++this.#ids;
    let pending: Pending | undefined;
    const promise = new Promise<T>((resolve, reject) => {
      pending = { started: false, emit, resolve: resolve as (value: unknown) => void, reject };
      this.#calls.set(id, pending);
      this.#process.send({ type: "call", id, method, args });
    });
    return {
      promise,
      cancel: () => this.#process.send({ type: "cancel", id }),
      get started() {
        return pending?.started ?? false;
      },
    };
  }

  /** Asks it to free everything and to end. */
  close(): void {
    this.#process.send({ type: "end" });
  }

  kill(): void {
    this.#process.kill();
  }

  /** Whether our process waits for it; at first it does. */
  hold(wanted: boolean): void {
    this.#process.hold(wanted);
  }

  #receive(reply: Reply): void {
    this.#alive = true;
    const { id } = reply;
    const call = this.#calls.get(id);
    if (reply.type === "started") {
      if (call) call.started = true;
    } else if (reply.type === "event") {
      const { event } = reply;
      if (event.type === "phase") this.#phase = { of: id, name: event.phase };
      if (event.type === "log" && event.level !== "debug") this.#recent.push(event.text);
      if (event.type === "preview") this.#process.send({ type: "seen" });
      call?.emit(withOwnPixels(event));
    } else {
      this.#calls.delete(id);
      if (this.#phase?.of === id) this.#phase = undefined;
      if (reply.type === "error") call?.reject(reviveError(reply.error));
      else call?.resolve(withOwnPixels(reply.value));
    }
  }

  get #doing(): string {
    if (!this.#alive) return "while it was starting";
    if (this.#phase) return `in phase "${this.#phase.name}"`;
    const busy = [...this.#calls.values()].some(({ started }) => started);
    return busy ? "at the beginning of a run" : "while it was idle";
  }
}
