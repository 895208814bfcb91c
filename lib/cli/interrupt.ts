/** The reason of a run that the user stopped. */
export class Interrupted extends Error {
  constructor() {
    super("Interrupted.");
    this.name = "Interrupted";
  }
}

/** The reason of a run whose reader has left (`… --json | head`): nothing to be told, and what was drawn stays. */
export class ReaderLeft extends Error {}

const running = new Set<AbortController>();

/** Lets nobody see an EPIPE: what runs is stopped, and what does not is over. */
export function mindReaders(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    const reason = error.code === "EPIPE" ? new ReaderLeft() : new Error(`stdout cannot be written: ${error.message}`);
    if (running.size === 0) {
      if (error.code !== "EPIPE") process.stderr.write(`${reason.message}\n`);
      process.exit(error.code === "EPIPE" ? 0 : 1);
    }
    for (const controller of running) controller.abort(reason);
  });
  process.stderr.on("error", () => {}); // progress that nobody reads
}

/**
 * Runs `work` with a signal that Ctrl-C and SIGTERM abort. A second one ends the process at once, the way the system does it, since
 * whatever did not react to the first may hold up an orderly exit too.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      forget();
      process.kill(process.pid, signal);
    }
    controller.abort(new Interrupted());
  };
  const forget = () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  running.add(controller);
  try {
    return await work(controller.signal);
  } finally {
    running.delete(controller);
    forget();
  }
}
