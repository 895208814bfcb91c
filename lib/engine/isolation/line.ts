import type { NativeEvent } from "../binding.js";

/** What decides a job's place, and who is told. */
export interface Waiting {
  readonly priority: number;
  emit(event: NativeEvent): void;
  /** Last told; 0 = none. */
  position: number;
}

/** The waiting jobs in the order in which they will run, as in `native/job/line`: by priority, then by arrival. */
export class Line<T extends Waiting> {
  readonly #jobs: T[] = [];

  get length(): number {
    return this.#jobs.length;
  }

  push(job: T): void {
    const behind = this.#jobs.findIndex(({ priority }) => priority < job.priority);
    this.#jobs.splice(behind < 0 ? this.#jobs.length : behind, 0, job);
  }

  /** For one that has left the line without having begun. */
  putBack(job: T): void {
    this.#jobs.unshift(job);
  }

  shift(): T | undefined {
    return this.#jobs.shift();
  }

  /** False when it is not there. */
  remove(job: T): boolean {
    const index = this.#jobs.indexOf(job);
    if (index >= 0) this.#jobs.splice(index, 1);
    return index >= 0;
  }

  clear(): T[] {
    return this.#jobs.splice(0);
  }

  /** Tells every job whose place has changed. */
  report(): void {
    for (const [index, job] of [...this.#jobs].entries()) {
      if (job.position === index + 1) continue;
      job.position = index + 1;
      job.emit({ type: "queued", position: job.position });
    }
  }
}
