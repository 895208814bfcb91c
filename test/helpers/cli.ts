import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { packageRoot } from "../../lib/engine/binding.js";

/** The compiled command, as npm installs it. */
export const cli = path.join(packageRoot, "dist", "cli", "cli.js");

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `sdcpp`; `onStart` gets the process, to be signaled. */
export function sdcpp(
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; onStart?: (child: ChildProcess) => void } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended: Ended = { code: null, stdout: "", stderr: "" };
    child.stdout.on("data", (data) => {
      ended.stdout += data;
    });
    child.stderr.on("data", (data) => {
      ended.stderr += data;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...ended, code }));
    options.onStart?.(child);
  });
}
