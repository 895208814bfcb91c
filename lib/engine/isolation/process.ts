import path from "node:path";
import { packageFolders } from "../package.js";
import { electron, forkUtility } from "./electron.js";
import { forkNode, notStarted } from "./node.js";
import type { EngineProcess, Program, Watcher } from "./watcher.js";

const marker = "SDCPP_ENGINE_PROCESS";

/**
 * Starts run/worker.ts, which stands above this room: it guards memory as well.
 * @throws NativeError where it cannot be tried yet
 */
export function startProcess(watcher: Watcher, cwd: string): EngineProcess {
  // Where a "child" is the same application once more, each would start the next.
  if (process.env[marker] || isSingleExecutable()) {
    return notStarted(
      watcher,
      new Error("this runtime starts the application again instead of a script, as a single executable does; load without isolate"),
    );
  }
  packageFolders(); // no program lies beside a bundled copy
  const file = require.resolve("../../run/worker");
  const program: Program = {
    file,
    execArgv: path.extname(file) === ".ts" ? ["--require", "tsx/cjs"] : [], // in a checkout's tests
    cwd,
    env: environment(),
  };
  const host = electron();
  return host ? forkUtility(host, program, watcher) : forkNode(program, watcher);
}

/** Node's own single executables tell; what other tools make is found by the marker. */
function isSingleExecutable(): boolean {
  try {
    return (require("node:sea") as { isSea(): boolean }).isSea();
  } catch {
    return false; // older than Node 20.12
  }
}

/** Ours, without what would start a debugger on the port that ours listens to. */
export function environment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, ...env } = process.env;
  const options = NODE_OPTIONS?.replace(/(^|\s)--(inspect|debug)[\w-]*(=\S*|\s+[\d.:]+)?/g, "").trim();
  return { ...env, [marker]: "1", ...(options ? { NODE_OPTIONS: options } : {}) };
}
