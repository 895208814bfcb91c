import { type ChildProcess, execFileSync } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";

/** The processes that this one has started, the latest last. */
export const children: ChildProcess[] = [];
subscribe("child_process", (message) => {
  children.push((message as { process: ChildProcess }).process);
});

/** The process of the model that was loaded last. */
export function latest(): ChildProcess {
  const child = children.at(-1);
  if (!child) throw new Error("no process was started");
  return child;
}

/** What a promise rejects with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<Error & { code?: string; log?: string[]; path?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not reject");
}

/** False for one that is dead, even when nobody has asked for its exit code. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== "linux") return true;
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Resolves when it is gone; a test's own time limit ends the wait. */
export async function gone(pid: number): Promise<void> {
  while (alive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Lets a process have so many bytes more of address space than it has; Linux. */
export function limitMemory(pid: number, more: number): void {
  const size = Number(/^VmSize:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
  execFileSync("prlimit", ["--pid", String(pid), `--as=${size + more}`]);
}
