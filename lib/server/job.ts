import { randomUUID } from "node:crypto";
import { abortError } from "../errors.js";
import type { Image } from "../picture/image.js";
import type { PhaseEvent, PreviewEvent, ProgressEvent, QueuedEvent } from "../types/index.js";
import type { Picture } from "./picture.js";

export type JobStatus = "queued" | "running" | "done" | "failed" | "canceled";

/** What a job tells, in its order. `done`, `failed` and `canceled` are the last. */
export type JobEvent =
  | QueuedEvent
  | { type: "running" }
  | PhaseEvent
  | ProgressEvent
  | PreviewEvent
  | { type: "image"; picture: Picture }
  | { type: "warning"; text: string }
  | { type: "done" }
  | { type: "failed"; error: unknown }
  | { type: "canceled" };

export interface NumberedEvent {
  /** 1, 2, … within a job. */
  id: number;
  event: JobEvent;
}

/** What the work of a job may do with it. */
export interface JobControl {
  readonly job: Job;
  /** Aborts when the job is canceled. */
  readonly signal: AbortSignal;
  emit(event: Exclude<JobEvent, { type: "image" | "done" | "failed" | "canceled" | "queued" | "running" }>): void;
  /**
   * Keeps a finished picture.
   * @param details.name what its file is named after
   */
  add(image: Image, details: { seed?: bigint; name: string }): Promise<void>;
}

export type Work = (control: JobControl) => Promise<void>;

/** What of the past a late listener still gets: of these only the last. */
const superseded = new Set<JobEvent["type"]>(["queued", "progress", "preview"]);

/** One piece of work: waits in line, runs, ends; tells of it to any number of listeners. */
export class Job {
  readonly id: string = randomUUID();
  /** Milliseconds since 1970. */
  readonly created = Date.now();
  started: number | undefined;
  ended: number | undefined;
  status: JobStatus = "queued";
  /** Place in line, 1 = next; 0 when it no longer waits. */
  position = 0;
  error: unknown;
  readonly pictures: Picture[] = [];
  readonly warnings: string[] = [];
  readonly #controller = new AbortController();
  readonly #listeners = new Set<(event: NumberedEvent) => void>();
  #past: NumberedEvent[] = [];
  #lastId = 0;
  #settle: () => void = () => {};
  /** Resolves at the end, however it ends. */
  readonly settled = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  /**
   * @param owner whose it is: nobody else sees it
   * @param kind for lists: "generate", "upscale"
   * @param request what was asked for, as its owner may see it again
   */
  constructor(
    readonly owner: string,
    readonly kind: string,
    readonly model: string | undefined,
    readonly request: object,
  ) {}

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isOver(): boolean {
    return this.ended !== undefined;
  }

  /** The latest of its kind. */
  last<Type extends JobEvent["type"]>(type: Type): Extract<JobEvent, { type: Type }> | undefined {
    return this.#past.findLast(({ event }) => event.type === type)?.event as Extract<JobEvent, { type: Type }> | undefined;
  }

  /** How much is done, 0 to 1: finished pictures, and the steps of the one in work. */
  get fraction(): number {
    if (this.status === "done") return 1;
    const progress = this.last("progress");
    if (!progress || progress.phase === "load") return 0;
    const { phase, step, steps, image, images, pass } = progress;
    const ofPass = phase === "sample" || (phase === "upscale" && pass === undefined) ? step / steps : 0;
    const part = phase === "decode" ? 1 : pass === undefined ? ofPass : (pass - 1 + ofPass) / 2; // a hires fix samples twice
    return Math.min(0.99, (image + part) / images);
  }

  /** Does nothing after the end. */
  cancel(reason: unknown = abortError()): void {
    if (!this.isOver) this.#controller.abort(reason);
  }

  /** Cancels it when the signal aborts, as when the client is gone that waits for it. */
  stopWith(signal: AbortSignal | undefined): void {
    const cancel = () => this.cancel();
    signal?.throwIfAborted();
    signal?.addEventListener("abort", cancel, { once: true });
    this.settled.then(() => signal?.removeEventListener("abort", cancel));
  }

  /** @internal For the line that runs it. */
  publish(event: JobEvent): void {
    if (this.isOver) return;
    const numbered = { id: ++this.#lastId, event };
    if (superseded.has(event.type)) this.#past = this.#past.filter((other) => other.event.type !== event.type);
    this.#past.push(numbered);
    if (event.type === "warning") this.warnings.push(event.text);
    if (event.type === "running") Object.assign(this, { status: "running", started: Date.now(), position: 0 });
    if (event.type === "queued") this.position = event.position;
    if (event.type === "image") this.pictures.push(event.picture);
    if (event.type === "done" || event.type === "failed" || event.type === "canceled") {
      Object.assign(this, { status: event.type, ended: Date.now(), position: 0 });
      if (event.type === "failed") this.error = event.error;
      this.#past = this.#past.filter(({ event: { type } }) => type !== "preview"); // nobody needs it beside the picture
    }
    for (const listener of this.#listeners) listener(numbered);
    if (this.isOver) {
      this.#listeners.clear();
      this.#settle();
    }
  }

  /**
   * Its events: those of the past with a higher number, then new ones, to the last. Of progress, previews and places in line that passed
   * before a listener came or while it was slow, it gets the latest.
   */
  async *events({ after = 0, signal }: { after?: number; signal?: AbortSignal } = {}): AsyncGenerator<NumberedEvent, void> {
    let waiting = this.#past.filter(({ id }) => id > after);
    let wake = () => {};
    const listen = (event: NumberedEvent) => {
      if (superseded.has(event.event.type)) waiting = waiting.filter((other) => other.event.type !== event.event.type);
      waiting.push(event);
      wake();
    };
    const stop = () => wake();
    if (!this.isOver) this.#listeners.add(listen);
    signal?.addEventListener("abort", stop);
    try {
      while (!signal?.aborted) {
        const next = waiting.shift();
        if (next) yield next;
        else if (this.isOver) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.#listeners.delete(listen);
      signal?.removeEventListener("abort", stop);
    }
  }

  /**
   * The pictures, when all are there.
   * @throws the job's error, or an AbortError when it was canceled
   */
  async result(): Promise<readonly Picture[]> {
    await this.settled;
    if (this.status === "failed") throw this.error;
    if (this.status === "canceled") throw this.signal.reason ?? abortError();
    return this.pictures;
  }
}
