import type { NativeError } from "../../errors.js";
import { nativeError } from "../../errors.js";
import type { NativeBinding, NativeEvent, NativeJob } from "../binding.js";
import { Line } from "./line.js";
import { type Method, plainError, reviveError } from "./protocol.js";
import { Died, Session } from "./session.js";

/** What each process of a host loads, the first one and those that come after a crash. */
export interface Loading {
  method: Method;
  params: object;
}

export interface Loaded {
  info: unknown;
  engine: NativeBinding["engine"];
}

export interface Work {
  method: Method;
  args: unknown[];
  priority?: number;
  /** Arguments of `check`, for work whose mistakes are to show before its turn comes. */
  check?: unknown[];
}

export interface Done<T> {
  value: T;
  /** Seconds in line. */
  waited: number;
}

interface Job extends Work {
  priority: number;
  position: number;
  created: number;
  cancelled: boolean;
  /** Of the work, once it has begun. */
  stop?(): void;
  emit(event: NativeEvent): void;
  resolve(done: Done<unknown>): void;
  reject(error: unknown): void;
}

const mostCrashes = 3;
const longestEnd = 5000; // ms

function cancelled(): NativeError {
  return nativeError("ERR_CANCELLED", "cancelled");
}

/**
 * The engine in a process of its own, with one model or upscaler in it. Jobs wait in line here and go over one at a time, so that a crash
 * meets the one that ran and no other: the process is then started again, loads again, and the line goes on.
 */
export class Host {
  readonly #cwd = process.cwd();
  readonly #line = new Line<Job>();
  #session: Session | undefined;
  /** The session when it has loaded: the present one, or the next. */
  #opened: Promise<Session> | undefined;
  #ready = false;
  /** It has been ready before. */
  #loaded = false;
  #running: Job | undefined;
  #asking = 0;
  /** In a row, without a job that was finished. */
  #crashes = 0;
  /** Makes the error of all who come when there will be no other session. */
  #failure: (() => NativeError) | undefined;
  #ending: { promise: Promise<void>; done(): void; timer?: NodeJS.Timeout } | undefined;

  /** @param emit gets the events of the first load, and log lines of later ones */
  constructor(
    private readonly loading: Loading,
    private readonly emit: (event: NativeEvent) => void,
  ) {}

  /** To be called once, before the others. When it rejects, the process is gone; there is no second try. */
  load(): NativeJob<Loaded> {
    const promise = this.#open(this.emit).catch(async (error) => {
      const reason = this.#ending ? cancelled() : error instanceof Died ? error.error() : error;
      await this.end();
      throw reason;
    });
    const cancel = () => {
      if (this.#loaded) return;
      this.end();
      this.#session?.kill();
    };
    return { promise, cancel };
  }

  /** Work that waits for its turn. */
  run<T>(work: Work, emit: (event: NativeEvent) => void): NativeJob<Done<T>> {
    let cancel = () => {};
    const promise = new Promise<Done<T>>((resolve, reject) => {
      if (this.#over) return reject(this.#over());
      const settle = { resolve: resolve as (done: Done<unknown>) => void, reject };
      const { priority = 0 } = work;
      const job: Job = { ...work, priority, position: 0, created: performance.now(), cancelled: false, emit, ...settle };
      cancel = () => this.#cancel(job);
      this.#line.push(job);
      this.#advance();
      if (work.check && this.#running !== job) this.#checkEarly(job, work.check);
    });
    return { promise, cancel: () => cancel() };
  }

  /** A call that does not wait for the running job. When the process dies before the answer, the next one is asked. */
  async ask<T>(method: Method, args: unknown[]): Promise<T> {
    this.#asking++;
    this.#hold();
    try {
      for (;;) {
        if (this.#over) throw this.#over();
        const session = await this.#opened?.catch(() => {}); // then there is another one, or it is over
        try {
          if (session) return await session.call<T>(method, args).promise;
        } catch (error) {
          if (!(error instanceof Died)) throw error;
        }
      }
    } finally {
      this.#asking--;
      this.#hold();
    }
  }

  /** Stops the jobs, frees everything, and resolves when the process is gone. */
  end(): Promise<void> {
    if (this.#ending) return this.#ending.promise;
    let done = () => {};
    const promise = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#ending = { promise, done };
    for (const job of this.#line.clear()) job.reject(cancelled());
    if (this.#session) {
      this.#session.close();
      this.#ending.timer = setTimeout(() => this.#session?.kill(), longestEnd); // an engine that does not react
    } else done();
    this.#hold();
    return promise;
  }

  get #over(): (() => NativeError) | undefined {
    return this.#ending ? () => nativeError("ERR_DISPOSED", "it has been disposed") : this.#failure;
  }

  /** Starts a process and loads. */
  async #open(emit: (event: NativeEvent) => void): Promise<Loaded> {
    const session = new Session(this.#cwd, (died) => this.#onDeath(died));
    this.#session = session;
    const { promise } = session.call<Loaded>(this.loading.method, [this.loading.params], emit);
    this.#opened = promise.then(() => session);
    this.#opened.catch(() => {}); // for those who wait for it; here `promise` tells
    this.#hold();
    const loaded = await promise;
    this.#ready = true;
    this.#loaded = true;
    this.#advance();
    return loaded;
  }

  #onDeath(died: Died): void {
    this.#session = undefined;
    this.#ready = false;
    if (this.#ending) {
      clearTimeout(this.#ending.timer);
      this.#ending.done();
    } else if (this.#loaded && !this.#failure) this.#recover(died);
  }

  #recover(died: Died): void {
    this.#crashes++;
    if (this.#crashes >= mostCrashes) {
      const sequel = `It has ended ${mostCrashes} times in a row without a finished run and is not started again: dispose of it, and load again.`;
      this.#fail(() => died.error(sequel));
      return;
    }
    this.emit({ type: "log", level: "warn", text: died.error("It is started again.").message });
    const logs = (event: NativeEvent) => {
      if (event.type === "log") this.emit(event);
    };
    this.#open(logs).catch((error) => {
      if (error instanceof Died) return; // this method has been called again
      const { message, ...details } = plainError(error);
      const context = "After a crash of the engine's process, the files could not be loaded again: ";
      this.#fail(() => reviveError({ ...details, message: context + message }) as NativeError);
    });
  }

  #fail(failure: () => NativeError): void {
    this.#failure = failure;
    this.#ready = false;
    this.#session?.close();
    for (const job of this.#line.clear()) job.reject(failure());
    this.#hold();
  }

  /** Begins the next job when there is one and nothing else is in work. */
  #advance(): void {
    if (this.#ready && this.#session && !this.#running) {
      const job = this.#line.shift();
      if (job) this.#work(job, this.#session);
    }
    this.#line.report();
    this.#hold();
  }

  async #work(job: Job, session: Session): Promise<void> {
    this.#running = job;
    const waited = (performance.now() - job.created) / 1000;
    const call = session.call(job.method, job.args, job.emit);
    job.stop = call.cancel;
    try {
      const value = await call.promise;
      this.#crashes = 0;
      job.resolve({ value, waited });
    } catch (error) {
      if (!(error instanceof Died)) job.reject(error);
      else if (this.#ending || job.cancelled) job.reject(cancelled());
      else if (this.#failure) job.reject(this.#failure());
      else if (call.started) job.reject(error.error("It is started again, and waiting runs go on."));
      else this.#line.putBack(job);
    }
    this.#running = undefined;
    this.#advance();
  }

  #cancel(job: Job): void {
    job.cancelled = true;
    if (this.#running === job) job.stop?.();
    else if (this.#line.remove(job)) {
      job.reject(cancelled());
      this.#advance();
    }
  }

  async #checkEarly(job: Job, args: unknown[]): Promise<void> {
    try {
      await this.ask("check", args);
    } catch (error) {
      if (!this.#line.remove(job)) return;
      job.reject(error);
      this.#advance();
    }
  }

  /** Our process stays alive for what somebody waits for, and not for an idle model. */
  #hold(): void {
    const wanted = this.#running || this.#line.length > 0 || this.#asking > 0 || this.#ending || !this.#loaded;
    this.#session?.hold(Boolean(wanted));
  }
}
