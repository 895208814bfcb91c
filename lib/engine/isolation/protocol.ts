import type { NativeEvent } from "../binding.js";

/** What the host and the process of the engine (worker.ts) tell each other, as structured clones. */

/** The functions of `NativeBinding`, `NativeModel` and `NativeUpscaler` that run over there. */
export type Method = "load" | "loadUpscaler" | "generate" | "check" | "countTokens" | "upscale" | "tryBackend";

export type Request =
  | { type: "call"; id: number; method: Method; args: unknown[] }
  | { type: "cancel"; id: number }
  /** The host has taken a preview, so that another may be sent. */
  | { type: "seen" }
  /** Free everything and exit. */
  | { type: "end" };

export type Reply =
  /** A call has arrived: should the process die from here on, the call may be the reason. */
  | { type: "started"; id: number }
  | { type: "event"; id: number; event: NativeEvent }
  | { type: "result"; id: number; value: unknown }
  | { type: "error"; id: number; error: PlainError };

/** An error as a plain object, since a structured clone of an `Error` loses `code` and `log`. */
export interface PlainError {
  message: string;
  stack?: string;
  [detail: string]: unknown;
}

export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { message: String(error) };
  return { ...error, message: error.message, stack: error.stack };
}

export function reviveError({ message, stack, ...details }: PlainError): Error {
  const error = Object.assign(new Error(message), details);
  if (stack) error.stack = stack;
  return error;
}
