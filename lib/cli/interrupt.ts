/** The reason of a run that the user stopped. */
export class Interrupted extends Error {
  constructor() {
    super("Interrupted.");
    this.name = "Interrupted";
  }
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
  try {
    return await work(controller.signal);
  } finally {
    forget();
  }
}
