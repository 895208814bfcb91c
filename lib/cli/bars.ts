const interval = 100; // ms
const codes = { hide: "\x1b[?25l", show: "\x1b[?25h", clearLine: "\x1b[2K", clearBelow: "\x1b[J" };

/** "████░░": `value` of `total` in so many characters. */
export function bar(value: number, total: number, size: number): string {
  const full = Math.round(Math.min(1, Math.max(0, total > 0 ? value / total : 0)) * size);
  return "█".repeat(full) + "░".repeat(size - full);
}

/** The last lines of a terminal, drawn again where they change, at most ten times a second. */
export class LiveLines {
  readonly #lines: string[] = [];
  readonly #keep: boolean;
  #printed: string[] = [];
  #height = 0;
  #timer: NodeJS.Timeout | undefined;
  #state: "new" | "live" | "stopped" = "new";

  readonly #terminal: Pick<NodeJS.WriteStream, "write" | "columns">;

  /** @param keep whether they stay when they are stopped */
  constructor(keep: boolean, terminal: Pick<NodeJS.WriteStream, "write" | "columns"> = process.stderr) {
    this.#keep = keep;
    this.#terminal = terminal;
  }

  /** The number of lines, which is the index of the next one. */
  get length(): number {
    return this.#lines.length;
  }

  set(index: number, text: string): void {
    if (this.#state === "stopped") return;
    const first = this.#state === "new" || this.#lines[index] === undefined;
    this.#lines[index] = text;
    if (this.#state === "new") {
      this.#state = "live";
      process.once("SIGINT", this.stop).once("SIGTERM", this.stop); // a second signal may end the process with the cursor hidden
      this.#terminal.write(codes.hide);
    }
    if (first) this.#draw();
    else this.#timer ??= setTimeout(() => this.#draw(), interval).unref();
  }

  /** A line that stays, above them. */
  print(line: string): void {
    this.#printed.push(line);
    if (this.#state !== "live") this.#terminal.write(this.#flush());
    else this.#draw();
  }

  #flush(): string {
    const lines = this.#printed.map((line) => `${line}\n`);
    this.#printed = [];
    return lines.length && this.#height ? codes.clearBelow + lines.join("") : lines.join("");
  }

  #toTop(): string {
    return this.#height > 1 ? `\r\x1b[${this.#height - 1}A` : "\r";
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const width = this.#terminal.columns ?? 80;
    const lines = this.#lines.map((line) => codes.clearLine + [...line].slice(0, width).join(""));
    this.#terminal.write(this.#toTop() + this.#flush() + lines.join("\n"));
    this.#height = lines.length;
  }

  readonly stop = (): void => {
    if (this.#state === "live") {
      this.#draw();
      this.#terminal.write((this.#keep ? "\n" : this.#toTop() + codes.clearBelow) + codes.show);
      process.off("SIGINT", this.stop).off("SIGTERM", this.stop);
    }
    this.#state = "stopped";
  };
}
