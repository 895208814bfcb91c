import type { PullEvent, PullFileEvent, PullProgressEvent, PullRetryEvent } from "../types/index.js";
import type { CatalogFile } from "./entries.js";

interface Entry {
  bytes: number;
  size: number;
}

const interval = 200;
const window = 5000;

/** Adds up the files of a pull and makes its events. */
export class Tracker {
  readonly #emit: (event: PullEvent) => void;
  readonly #entries = new Map<CatalogFile, Entry>();
  /** Received bytes by time, for the speed. */
  readonly #received: { time: number; bytes: number }[] = [];
  #lastTime = -Infinity;

  constructor(onProgress: ((event: PullEvent) => void) | undefined) {
    this.#emit = (event) => {
      try {
        onProgress?.(event);
      } catch {
        // a listener's fault must not end the work it listens to
      }
    };
  }

  set(file: CatalogFile, entry: Partial<Entry>): void {
    this.#entries.set(file, { ...this.#entry(file), ...entry });
  }

  file(file: CatalogFile, status: PullFileEvent["status"]): void {
    this.#emit({ type: "file", file: file.path, status, ...this.#entry(file) });
  }

  retry(file: CatalogFile, event: Omit<PullRetryEvent, "type" | "file">): void {
    this.#emit({ type: "retry", file: file.path, ...event });
  }

  /** The file has `bytes`, `received` of them just now. */
  progress(file: CatalogFile, phase: PullProgressEvent["phase"], bytes: number, received = 0): void {
    this.set(file, { bytes });
    const time = performance.now();
    if (received > 0) this.#count(time, received);
    if (time - this.#lastTime < interval) return;
    this.#lastTime = time;
    const entries = [...this.#entries.values()];
    const totalBytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    const totalSize = entries.reduce((sum, entry) => sum + Math.max(entry.size, entry.bytes), 0);
    const bytesPerSecond = this.#speed(time);
    const eta = totalBytes >= totalSize ? 0 : (totalSize - totalBytes) / bytesPerSecond;
    this.#emit({ type: "progress", file: file.path, phase, ...this.#entry(file), totalBytes, totalSize, bytesPerSecond, eta });
  }

  #entry(file: CatalogFile): Entry {
    return this.#entries.get(file) ?? { bytes: 0, size: 0 };
  }

  /** One sample for each interval, or a fast network would make thousands. */
  #count(time: number, bytes: number): void {
    const last = this.#received.at(-1);
    if (last && time - last.time < interval) last.bytes += bytes;
    else this.#received.push({ time, bytes });
    while (this.#received[0] && time - this.#received[0].time > window) this.#received.shift();
  }

  #speed(time: number): number {
    const first = this.#received[0];
    if (!first) return 0;
    const bytes = this.#received.reduce((sum, sample) => sum + sample.bytes, 0);
    return (bytes * 1000) / Math.max(time - first.time, interval);
  }
}
