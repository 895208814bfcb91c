import path from "node:path";
import { MultiBar, Presets, type SingleBar } from "cli-progress";
import { formatBytes } from "../errors.js";
import type { PullEvent, PullFileEvent, PullProgressEvent } from "../types/index.js";
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
  readonly #bars = new MultiBar(
    {
      format: "{name} {bar} {amount} {pace}",
      barsize: Math.min(24, barSize(nameWidth + 48)),
      hideCursor: true,
      clearOnComplete: false,
      stopOnComplete: false,
    },
    Presets.shades_classic,
  );
  readonly #files = new Map<string, SingleBar>();
  #total: SingleBar | undefined;

  update(event: PullEvent): void {
    if (event.type === "retry") {
      // Without a bar nothing is drawn, and nothing that was logged either.
      if (this.#files.size > 0) this.#bars.log(`${retryLine(event)}\n`);
      else process.stderr.write(`${retryLine(event)}\n`);
      return;
    }
    this.#show(this.#bar(event.file), event.bytes, event.size, event.type === "file" ? words[event.status] : event.phase);
    if (event.type !== "progress") return;
    this.#total ??= this.#add("all files");
    this.#show(this.#total, event.totalBytes, event.totalSize, pace(event));
  }

  #bar(file: string): SingleBar {
    const bar = this.#files.get(file) ?? this.#add(path.posix.basename(file));
    this.#files.set(file, bar);
    return bar;
  }

  #add(name: string): SingleBar {
    return this.#bars.create(1, 0, { name: name.slice(0, nameWidth).padEnd(nameWidth), amount: "", pace: "" });
  }

  #show(bar: SingleBar, bytes: number, size: number, text: string): void {
    bar.setTotal(Math.max(size, bytes, 1));
    bar.update(bytes, { amount: amount(bytes, Math.max(size, bytes)), pace: text });
  }

  stop(): void {
    this.#bars.stop();
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
