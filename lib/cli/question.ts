import { createInterface } from "node:readline/promises";

/** Where a person can be asked. */
export interface Terminal {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
}

/** Undefined where nobody would answer. stdout is not for questions: it carries results. */
export function terminal(): Terminal | undefined {
  return process.stdin.isTTY && process.stderr.isTTY ? { input: process.stdin, output: process.stderr } : undefined;
}

/**
 * What a person answers, without spaces around it; "" when the input ends.
 * @throws the signal's reason when it is aborted
 */
export async function ask(question: string, signal: AbortSignal, { input, output }: Terminal): Promise<string> {
  // Not as a terminal of its own, which would keep Ctrl-C to itself.
  const lines = createInterface({ input, output, terminal: false });
  try {
    const ended = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
    return (await Promise.race([lines.question(question, { signal }), ended])).trim();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    lines.close();
  }
}
