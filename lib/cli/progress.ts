import type { ProgressEvent } from "../types/index.js";
import { bar, LiveLines } from "./bars.js";

/** A step of a load or a run, or of `build`. */
type Step = Omit<ProgressEvent, "type" | "phase"> & { phase: ProgressEvent["phase"] | "compile" };

/** Shows how a load, a run or a build gets on. */
export interface Progress {
  update(step: Step): void;
  /** Before anything else is printed, and at the end. */
  pause(): void;
}

export function formatSeconds(seconds: number): string {
  if (seconds < 59.5) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

function title({ phase, image, images }: Step): string {
  return images > 1 ? `${phase} ${image + 1}/${images}` : phase;
}

function pace({ phase, secondsPerStep, eta }: Step): string {
  const rate = ["load", "convert", "compile"].includes(phase) ? "" : `${secondsPerStep.toFixed(2)} s/step, `;
  return `${rate}ETA ${formatSeconds(eta)}`;
}

/** Characters of a bar beside `others` in its line: 30, and fewer where the terminal is narrow. */
export function barSize(others: number): number {
  return Math.max(4, Math.min(30, (process.stderr.columns ?? 80) - others));
}

/** No room for more than a bar and its numbers. */
function narrow(): boolean {
  return (process.stderr.columns ?? 80) < 56;
}

/** One bar a phase, for a terminal. */
class Bars implements Progress {
  #lines: LiveLines | undefined;
  #title = "";

  update(event: Step): void {
    const name = title(event);
    if (this.#title !== name) {
      this.pause();
      this.#title = name;
    }
    this.#lines ??= new LiveLines(false);
    const { step, steps } = event;
    const size = barSize(narrow() ? 22 : 46);
    this.#lines.set(0, `${name} ${bar(step, steps, size)} ${step}/${steps}${narrow() ? "" : ` ${pace(event)}`}`);
  }

  pause(): void {
    this.#lines?.stop();
    this.#lines = undefined;
  }
}

/** At most one line a second and one at the end of a phase, for a log file. */
class Lines implements Progress {
  #last: number | undefined;

  update(event: Step): void {
    this.#last ??= Date.now();
    const done = event.step >= event.steps;
    if (!done && Date.now() - this.#last < 1000) return;
    this.#last = Date.now();
    process.stderr.write(`${title(event)}: ${event.step}/${event.steps}, ${pace(event)}\n`);
  }

  pause(): void {}
}

const silent: Progress = { update() {}, pause() {} };

/** Bars on a terminal, lines elsewhere and between log lines, nothing when quiet. */
export function createProgress({ quiet, verbose }: { quiet: boolean; verbose: boolean }): Progress {
  if (quiet) return silent;
  return process.stderr.isTTY && !verbose ? new Bars() : new Lines();
}
