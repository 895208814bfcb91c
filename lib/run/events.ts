import type { GenerationEvent } from "../types/index.js";

// A run of 1000 pictures sends a million progress events; without a reader, the oldest of them are dropped first.
const limit = 10_000;
const previewLimit = 8; // they may be large, and old ones are of no use

/** Events on their way to one reader: an async iterator that other code pushes into. */
export class EventQueue implements AsyncIterableIterator<GenerationEvent> {
  #events: GenerationEvent[] = [];
  #waiting: { resolve: (result: IteratorResult<GenerationEvent>) => void; reject: (error: unknown) => void }[] = [];
  #ended = false;
  #error: { reason: unknown } | undefined;

  /** @param onReturn called when the reader leaves early */
  constructor(private readonly onReturn?: (queue: EventQueue) => void) {}

  push(event: GenerationEvent): void {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    if (reader) reader.resolve({ value: event, done: false });
    else this.#events.push(event);
    if (event.type === "preview") this.#dropOldPreview();
    if (this.#events.length > limit) {
      const oldest = this.#events.findIndex(({ type }) => type === "progress" || type === "log");
      this.#events.splice(Math.max(oldest, 0), 1);
    }
  }

  #dropOldPreview(): void {
    if (this.#events.filter(({ type }) => type === "preview").length <= previewLimit) return;
    this.#events.splice(
      this.#events.findIndex(({ type }) => type === "preview"),
      1,
    );
  }

  /** Ends after the events that are still queued; with `error`, that is thrown to the reader once. */
  end(error?: { reason: unknown }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (this.#error) {
        reject(this.#error.reason);
        this.#error = undefined;
      } else resolve({ value: undefined, done: true });
    }
  }

  next(): Promise<IteratorResult<GenerationEvent>> {
    const event = this.#events.shift();
    if (event) return Promise.resolve({ value: event, done: false });
    if (this.#error) {
      const { reason } = this.#error;
      this.#error = undefined;
      return Promise.reject(reason);
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<GenerationEvent>> {
    this.#events = [];
    this.end();
    this.#error = undefined;
    this.onReturn?.(this);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
