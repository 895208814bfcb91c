import { randomUUID } from "node:crypto";
import type { NativeEvent, NativeJob } from "../engine/binding.js";
import { abortError, fromNative, isCancelled } from "../errors.js";
import { Image } from "../picture/image.js";
import { jsonable } from "../picture/json.js";
import type { GenerationEvent, GenerationParameters, GenerationResult, ProgressEvent, Timings } from "../types/index.js";
import { EventQueue } from "./events.js";

/** A checked run that is ready to start. */
export interface Plan {
  parameters: GenerationParameters;
  signal?: AbortSignal;
  /** What has to be done before the start, such as reading pictures and waiting for earlier runs that do; it may complete `parameters`. */
  ready?(): Promise<unknown>;
  start(emit: (event: NativeEvent) => void): NativeJob<Timings>;
  /** What to write into the file of the picture with this seed and place in the batch. */
  describe(seed: bigint, index: number): string;
}

/** The public event of a native progress message. `seconds` counts from the beginning of this picture's phase. */
export function progressEvent(event: Extract<NativeEvent, { type: "progress" }>, images: number): ProgressEvent {
  const { phase, step, steps, image, pass, seconds } = event;
  const secondsPerStep = seconds / step;
  const left = steps - step + (phase === "load" ? 0 : (images - image - 1) * steps);
  return { type: "progress", phase, step, steps, image, images, ...(pass ? { pass } : {}), secondsPerStep, eta: secondsPerStep * left };
}

/**
 * A run: a promise of its result and an async iterable of its events.
 *
 * - It starts at once and goes on whether or not anybody listens; leaving a `for await` early does not cancel it.
 * - The first iterator gets all events from the start, except log lines, which are collected only while somebody iterates. Later iterators get
 *   what happens from then on. Of more than 10,000 events that wait for their reader, the oldest progress is dropped.
 * - Every failure rejects the promise and is thrown to the iterators; `generate()` itself never throws. Once the run has been iterated, its
 *   rejection counts as handled.
 */
export class Generation implements Promise<GenerationResult>, AsyncIterable<GenerationEvent> {
  /** Unique to this run. */
  readonly id: string = randomUUID();
  readonly [Symbol.toStringTag] = "Generation";

  readonly #images: Image[] = [];
  readonly #seeds: bigint[] = [];
  readonly #readers = new Set<EventQueue>();
  /** What happened before the first iterator came. */
  #past: EventQueue | undefined = new EventQueue((left) => this.#readers.delete(left));
  #job: NativeJob<Timings> | undefined;
  #stop: { reason: unknown } | undefined;
  /** Ends the wait for `ready`. */
  #giveUp: (reason: unknown) => void = () => {};
  #end: { error?: { reason: unknown } } | undefined;
  readonly #result: Promise<GenerationResult>;
  #settle: () => void = () => {};
  /**
   * Resolves at the end, however it ends. Not derived from the result, whose rejection would then count as handled.
   * @internal
   */
  readonly settled = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  /** @internal */
  constructor(prepare: () => Plan, site: string) {
    this.#readers.add(this.#past as EventQueue);
    this.#result = this.#run(prepare, site);
  }

  /**
   * The pictures that are finished so far, in the order of the batch: picture i has the seed `seed + i` (with a variation, `variationSeed + i`). After a cancel or a failure, those that
   * were finished before it.
   */
  get images(): readonly Image[] {
    return [...this.#images];
  }

  /**
   * Stops the run within a fraction of a step; it rejects with `reason`, by default an `AbortError`. Pictures that are finished have been
   * delivered as `image` events and stay in `images`. A run that waits in line rejects at once. Does nothing after the end.
   */
  cancel(reason: unknown = abortError()): void {
    if (this.#end || this.#stop) return;
    this.#stop = { reason };
    this.#giveUp(reason);
    this.#job?.cancel();
  }

  // biome-ignore lint/suspicious/noThenProperty: a Generation is a promise
  readonly then: Promise<GenerationResult>["then"] = (onResult, onError) => this.#result.then(onResult, onError);
  readonly catch: Promise<GenerationResult>["catch"] = (onError) => this.#result.catch(onError);
  readonly finally: Promise<GenerationResult>["finally"] = (onEnd) => this.#result.finally(onEnd);

  [Symbol.asyncIterator](): AsyncIterableIterator<GenerationEvent> {
    this.#result.catch(() => {}); // the iterator throws it
    const past = this.#past;
    this.#past = undefined;
    if (past) return past;
    const queue = new EventQueue((left) => this.#readers.delete(left));
    if (this.#end) queue.end(this.#end.error);
    else this.#readers.add(queue);
    return queue;
  }

  async #run(prepare: () => Plan, site: string): Promise<GenerationResult> {
    try {
      const plan = prepare();
      const timings = await this.#work(plan);
      if (this.#stop) throw this.#stop.reason;
      this.#finish({});
      return jsonable({ images: this.#images, seeds: this.#seeds, parameters: jsonable(plan.parameters), timings });
    } catch (error) {
      const reason = this.#stop && isCancelled(error) ? this.#stop.reason : fromNative(error, site);
      this.#finish({ error: { reason } });
      throw reason;
    }
  }

  async #work(plan: Plan): Promise<Timings> {
    const { signal } = plan;
    if (signal?.aborted) throw signal.reason;
    const onAbort = () => this.cancel(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (plan.ready) await this.#unlessStopped(plan.ready());
      const job = plan.start((event) => this.#receive(event, plan));
      this.#job = job;
      if (this.#stop) job.cancel();
      return await job.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async #unlessStopped(work: Promise<unknown>): Promise<void> {
    const stopped = new Promise<never>((_, reject) => {
      this.#giveUp = reject;
    });
    await Promise.race([work, stopped]);
    if (this.#stop) throw this.#stop.reason;
  }

  #finish(end: { error?: { reason: unknown } }): void {
    this.#end = end;
    for (const reader of this.#readers) reader.end(end.error);
    this.#readers.clear();
    this.#settle();
  }

  #receive(event: NativeEvent, plan: Plan): void {
    const images = plan.parameters.batchCount;
    if (event.type === "progress") {
      if (event.step > 0) this.#publish(progressEvent(event, images));
    } else if (event.type === "preview") {
      const { data, width, height, channels, ...rest } = event;
      this.#publish({ ...rest, preview: new Image(data, width, height, channels as 3) });
    } else if (event.type === "image") {
      const { image: index, seed, data, width, height, channels } = event;
      const image = new Image(data, width, height, channels as 1 | 3 | 4, plan.describe(seed, index));
      this.#images[index] = image;
      this.#seeds[index] = seed;
      this.#publish(jsonable({ type: "image", index, seed, image }));
    } else if (event.type !== "log" || !this.#past) this.#publish(event);
  }

  #publish(event: GenerationEvent): void {
    for (const reader of this.#readers) reader.push(event);
  }
}
