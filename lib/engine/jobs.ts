import { nativeError } from "../errors.js";
import type { NativeJob } from "./binding.js";

/** A job of several steps. */
export function cancelable<T>(body: (signal: AbortSignal) => Promise<T>): NativeJob<T> {
  const controller = new AbortController();
  return { promise: body(controller.signal), cancel: () => controller.abort(nativeError("ERR_CANCELLED", "cancelled")) };
}

/** One of its steps. */
export async function run<T>(start: () => NativeJob<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const job = start();
  signal.addEventListener("abort", job.cancel, { once: true });
  return await job.promise;
}
