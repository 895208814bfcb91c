import type { Readable } from "node:stream";

const mostLines = 100;
const mostCharacters = 1000;

/** The last lines of the engine's log and of what its process printed. */
export class RecentLines {
  readonly #lines: string[] = [];

  push(line: string): void {
    if (!line.trim()) return;
    this.#lines.push(line.trimEnd().slice(0, mostCharacters));
    if (this.#lines.length > mostLines) this.#lines.shift();
  }

  get lines(): readonly string[] {
    return this.#lines;
  }
}

/** Calls back with each line; of one without an end, with its beginning. */
export function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = (lines.pop() ?? "").slice(0, mostCharacters);
    for (const line of lines) onLine(line);
  });
  stream?.on("error", () => {}); // of a process that has just died
  stream?.on("close", () => rest && onLine(rest));
}
