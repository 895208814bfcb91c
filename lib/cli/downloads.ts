import path from "node:path";
import { formatBytes } from "../errors.js";
import type { PullEvent, PullFileEvent, PullProgressEvent } from "../types/index.js";
import { bar, LiveLines } from "./bars.js";
import { barSize, formatSeconds } from "./progress.js";

/** Shows how a pull gets on. */
export interface Downloads {
  update(event: PullEvent): void;
  /** At the end, and before an error is printed. */
  stop(): void;
}

const words: Record<PullFileEvent["status"], string> = {
  present: "is there",
  start: "begins",
  resume: "goes on",
  restart: "begins anew",
  waiting: "waits for another process that is at it",
  done: "done, checksum right",
};

const nameOf = (event: PullEvent) => path.posix.basename(event.file);

function amount(bytes: number, size: number): string {
  return `${formatBytes(bytes)} of ${formatBytes(size)}`;
}

function pace({ bytesPerSecond, eta }: PullProgressEvent): string {
  return `${formatBytes(bytesPerSecond)}/s${Number.isFinite(eta) ? `, ETA ${formatSeconds(eta)}` : ""}`;
}

function fileLine(event: PullFileEvent): string {
  return `${nameOf(event)}: ${words[event.status]} (${event.status === "resume" ? amount(event.bytes, event.size) : formatBytes(event.size)})`;
}

/** Of a file's name; less where the terminal is narrow. */
const nameWidth = Math.max(12, Math.min(32, (process.stderr.columns ?? 80) - 60));

/** One bar a file and one for all, for a terminal. */
class Bars implements Downloads {
  readonly #lines = new LiveLines(true);
  readonly #files = new Map<string, number>();
  #total: number | undefined;

  update(event: PullEvent): void {
    if (event.type === "retry") {
      this.#lines.print(retryLine(event));
      return;
    }
    const known = this.#files.get(event.file);
    const index = known ?? this.#lines.length;
    this.#files.set(event.file, index);
    this.#show(index, nameOf(event), event.bytes, event.size, event.type === "file" ? words[event.status] : event.phase);
    if (event.type !== "progress") return;
    this.#total ??= this.#lines.length;
    this.#show(this.#total, "all files", event.totalBytes, event.totalSize, pace(event));
  }

  #show(index: number, name: string, bytes: number, size: number, text: string): void {
    const of = Math.max(size, bytes, 1);
    const drawn = bar(bytes, of, Math.min(24, barSize(nameWidth + 48)));
    this.#lines.set(index, `${name.slice(0, nameWidth).padEnd(nameWidth)} ${drawn} ${amount(bytes, Math.max(size, bytes))} ${text}`);
  }

  stop(): void {
    this.#lines.stop();
  }
}

/** What happens to each file, and every five seconds how far all of them are, for a log file. */
class Lines implements Downloads {
  #last = performance.now();

  update(event: PullEvent): void {
    const text = this.#text(event);
    if (text) process.stderr.write(`${text}\n`);
  }

  #text(event: PullEvent): string | undefined {
    if (event.type === "file") return fileLine(event);
    if (event.type === "retry") return retryLine(event);
    if (performance.now() - this.#last < 5000) return undefined;
    this.#last = performance.now();
    return `${event.phase} ${nameOf(event)}; all files: ${amount(event.totalBytes, event.totalSize)}, ${pace(event)}`;
  }

  stop(): void {}
}

function retryLine({ file, reason, failures, retries, delay }: Extract<PullEvent, { type: "retry" }>): string {
  return `${path.posix.basename(file)}: ${reason}; next try in ${formatSeconds(delay)} (failure ${failures} of at most ${retries})`;
}

/** Bars on a terminal, lines elsewhere, nothing when quiet. */
export function createDownloads(quiet: boolean): Downloads {
  if (quiet) return { update() {}, stop() {} };
  return process.stderr.isTTY ? new Bars() : new Lines();
}
