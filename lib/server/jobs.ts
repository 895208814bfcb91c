import { DisposedError, QueueFullError } from "../errors.js";
import { HttpError } from "./errors.js";
import type { Job, Work } from "./job.js";
import type { Results } from "./results.js";

export interface JobLimits {
  /** Jobs that may wait. */
  maxQueue: number;
  /** Bytes of pictures that jobs in line and in work were given. */
  maxHeld: number;
}

interface Waiting {
  job: Job;
  work: Work;
  priority: number;
  held: number;
}

/** What is counted from the beginning of the server. */
export interface JobCounts {
  submitted: number;
  refused: number;
  done: number;
  failed: number;
  canceled: number;
  pictures: number;
  /** Steps that were computed, by their progress. */
  steps: number;
  /** Seconds of work. */
  seconds: number;
}

/** The line of all jobs: one is in work, others wait, those that ended stay as long as `Results` allows. */
export class Jobs {
  readonly counts: JobCounts = { submitted: 0, refused: 0, done: 0, failed: 0, canceled: 0, pictures: 0, steps: 0, seconds: 0 };
  readonly #limits: JobLimits;
  readonly #results: Results;
  readonly #onFailure: (job: Job, error: unknown) => void;
  readonly #known = new Map<string, Job>();
  #waiting: Waiting[] = [];
  #running: Job | undefined;
  /** Bytes of the one in work. */
  #held = 0;
  #closing = false;

  /** @param onFailure told of each job that failed */
  constructor(limits: JobLimits, results: Results, onFailure: (job: Job, error: unknown) => void = () => {}) {
    this.#limits = limits;
    this.#results = results;
    this.#onFailure = onFailure;
  }

  get running(): Job | undefined {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether new work is taken. */
  get open(): boolean {
    return !this.#closing;
  }

  /** Seconds until the line has probably moved by one, for `retry-after`. */
  get retryAfter(): number {
    const ended = this.counts.done + this.counts.failed + this.counts.canceled;
    return Math.min(600, Math.max(1, Math.ceil(ended > 0 ? this.counts.seconds / ended : 5)));
  }

  /**
   * @param options.held bytes that the work keeps in memory until it has ended
   * @throws QueueFullError, HttpError 429 when the pictures of all jobs are too large together, or DisposedError when the server is ending
   */
  submit(job: Job, work: Work, { priority = 0, held = 0 }: { priority?: number; held?: number } = {}): Job {
    if (this.#closing) throw new DisposedError("The server is ending and takes no more work.");
    const { maxQueue, maxHeld } = this.#limits;
    const all = this.#waiting.reduce((sum, other) => sum + other.held, this.#held + held);
    const full = this.#waiting.length >= maxQueue;
    if (this.#running && (full || all > maxHeld)) {
      this.counts.refused++;
      if (full) throw new QueueFullError(maxQueue);
      const held =
        "The pictures that wait with their jobs take all the memory they may have. Try again when a job has ended, or with a smaller file.";
      throw new HttpError(429, "ERR_QUEUE_FULL", held);
    }
    this.counts.submitted++;
    this.#known.set(job.id, job);
    const at = this.#waiting.findIndex((other) => other.priority < priority);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, { job, work, priority, held });
    job.signal.addEventListener("abort", () => this.#leave(job), { once: true });
    if (job.signal.aborted) this.#leave(job);
    this.#tellPlaces();
    this.#next();
    return job;
  }

  /** @throws HttpError 404 when there is none, or it is somebody else's */
  get(id: string, owner: string): Job {
    this.#forget();
    const job = this.#known.get(id);
    if (!job || job.owner !== owner) throw new HttpError(404, "not_found", "There is no such job, or it ended too long ago.");
    return job;
  }

  /** An owner's jobs, newest first. */
  list(owner: string): Job[] {
    this.#forget();
    return [...this.#known.values()].filter((job) => job.owner === owner).reverse();
  }

  /** An owner's job that is in work. */
  runningOf(owner: string): Job | undefined {
    return this.#running?.owner === owner ? this.#running : undefined;
  }

  /** Jobs of an owner that wait, in their order. */
  waitingOf(owner: string): Job[] {
    return this.#waiting.map(({ job }) => job).filter((job) => job.owner === owner);
  }

  /**
   * Moves a waiting job to another place among its owner's own; other owners' jobs keep theirs.
   * @param place 1 = first of them
   */
  move(job: Job, place: number): void {
    const slots = this.#waiting.flatMap((waiting, at) => (waiting.job.owner === job.owner ? [at] : []));
    const own = slots.map((at) => this.#waiting[at] as Waiting);
    const from = own.findIndex((waiting) => waiting.job === job);
    if (from < 0) throw new HttpError(409, "not_waiting", "The job no longer waits.");
    const [moved] = own.splice(from, 1);
    own.splice(Math.max(0, place - 1), 0, moved as Waiting);
    for (const [index, at] of slots.entries()) this.#waiting[at] = own[index] as Waiting;
    this.#tellPlaces();
  }

  /** Forgets a job that ended, with its pictures (not the files of an output folder). */
  remove(job: Job): void {
    if (!job.isOver) throw new HttpError(409, "not_over", "The job has not ended; cancel it first.");
    this.#known.delete(job.id);
  }

  /** Takes no more work; resolves when what was taken has ended. */
  async drain(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#known.values()].map((job) => job.settled));
  }

  /** Cancels everything; resolves when it has ended. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const job of this.#known.values()) job.cancel(new DisposedError("The server is ending."));
    await this.drain();
  }

  #leave(job: Job): void {
    const at = this.#waiting.findIndex((waiting) => waiting.job === job);
    if (at < 0) return; // in work: it ends by its signal
    this.#waiting.splice(at, 1);
    this.#end(job, { type: "canceled" });
    this.#tellPlaces();
  }

  #tellPlaces(): void {
    for (const [index, { job }] of this.#waiting.entries()) {
      if (job.position !== index + 1) job.publish({ type: "queued", position: index + 1 });
    }
  }

  #next(): void {
    if (this.#running) return;
    const next = this.#waiting.shift();
    if (!next) return;
    this.#running = next.job;
    this.#held = next.held;
    this.#tellPlaces();
    void this.#run(next);
  }

  async #run({ job, work }: Waiting): Promise<void> {
    job.publish({ type: "running" });
    const began = performance.now();
    try {
      await work({
        job,
        signal: job.signal,
        emit: (event) => {
          if (event.type === "progress" && event.phase === "sample") this.counts.steps++;
          job.publish(event);
        },
        add: async (image, details) => {
          const picture = await this.#results.keep(image, { job: job.id, index: job.pictures.length, ...details });
          this.counts.pictures++;
          job.publish({ type: "image", picture });
        },
      });
      this.#end(job, job.signal.aborted ? { type: "canceled" } : { type: "done" });
    } catch (error) {
      this.#end(job, job.signal.aborted ? { type: "canceled" } : { type: "failed", error });
      if (job.status === "failed") this.#onFailure(job, error);
    }
    this.counts.seconds += (performance.now() - began) / 1000;
    this.#running = undefined;
    this.#held = 0;
    this.#next();
  }

  #end(job: Job, event: { type: "done" } | { type: "canceled" } | { type: "failed"; error: unknown }): void {
    this.counts[event.type]++;
    job.publish(event);
    this.#forget();
  }

  /** What is older, or more, than the limits allow. */
  #forget(): void {
    const ended = [...this.#known.values()].filter((job) => job.isOver);
    for (const job of this.#results.expired(ended)) this.#known.delete(job.id);
  }
}
