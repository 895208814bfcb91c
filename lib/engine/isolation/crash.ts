import type { NativeError } from "../../errors.js";
import { nativeError } from "../../errors.js";

/** How a process ended, or why it did not start. */
export interface End {
  signal?: string;
  exitCode?: number;
  failure?: Error;
}

const shownLines = 20;

/** What a failed assertion, an uncaught C++ exception, V8 and an uncaught JavaScript error print. */
const lastWords = /^\S.*\.\w+:\d+: .|^terminate called|^\s*what\(\): |^FATAL ERROR|^(Uncaught )?\w*Error: /;
const outOfMemory = /bad_alloc|out of memory|(failed|unable) to allocate|insufficient memory|not enough memory/i;

/**
 * The error of everybody who waited for a process that has died.
 * @param doing such as `in phase "sample"`
 * @param output the last lines of its log and of what it printed
 * @param sequel what happens next, a sentence
 */
export function crashError(end: End, doing: string, output: readonly string[], sequel = ""): NativeError {
  const { signal, exitCode, failure } = end;
  const log = output.slice(-shownLines);
  const what = failure ? `could not be started: ${failure.message}` : `ended with ${describe(end)} ${doing}${reason(end, output)}`;
  return nativeError("ERR_ENGINE_CRASH", `The engine's process ${what}.${sequel && ` ${sequel}`}`, { signal, exitCode, log });
}

function describe({ signal, exitCode = 0 }: End): string {
  if (signal) return signal;
  return `exit code ${exitCode > 255 ? `0x${exitCode.toString(16).toUpperCase()}` : exitCode}`; // Windows' are 0xC0000005 and the like
}

function reason({ signal }: End, output: readonly string[]): string {
  const words = output.findLast((line) => lastWords.test(line))?.trim();
  const memory = output.some((line) => outOfMemory.test(line));
  if (signal === "SIGKILL") return "; something else killed it, most likely the system because memory ran out";
  if (!words) return memory ? "; most likely memory ran out" : "";
  return `: ${words.replace(/\.$/, "")}${memory ? " (most likely memory ran out)" : ""}`;
}
