import { existsSync } from "node:fs";
import { Died, Session } from "../isolation/session.js";
import { type Module, modules, warning } from "./modules.js";

/** What came of trying a module in a process of its own. */
export interface Trial {
  module: Module;
  /** Why it cannot be used; undefined when it works. */
  problem?: string;
}

const longest = 60_000; // ms; a driver may compile its shaders first

/** The message of a system whose driver is not installed, which is no fault: libvulkan.so.1, libcuda.so.1, vulkan-1.dll. */
const noDriver = /cannot open shared object file|error 126$|no backend that works here/;

let trials: Promise<Trial[]> | undefined;

/**
 * Tries each module in a process of its own, once for this process: what a driver does there (a crash, an endless loop, a wrong result) leaves
 * this one as it is. One that does not work is reported by a warning, unless its driver is missing.
 */
export function tryModules(): Promise<Trial[]> {
  trials ??= Promise.all(modules().map(tryModule)).catch((error) => {
    trials = undefined; // no process could be started yet, as before Electron's app is ready
    throw error;
  });
  return trials;
}

/** Whether this system can have a GPU at all; where that is not known, it can. For `auto`, so that other machines start no process. */
export function mayHaveGpu(): boolean {
  if (process.platform !== "linux") return true;
  if (process.env.GGML_VK_VISIBLE_DEVICES !== undefined) return true; // names devices that have no file, as Mesa's lavapipe
  return ["/dev/dri", "/dev/nvidiactl", "/dev/nvhost-ctrl", "/dev/dxg", "/dev/kgsl-3d0"].some((device) => existsSync(device));
}

async function tryModule(module: Module): Promise<Trial> {
  const problem = await problemOf(module);
  if (problem && !noDriver.test(problem)) {
    process.emitWarning(`The ${module.kind} backend (${module.file}) is left out: ${problem}`, warning);
  }
  return { module, ...(problem ? { problem } : {}) };
}

async function problemOf({ file }: Module): Promise<string | undefined> {
  let gone = () => {};
  const end = new Promise<void>((resolve) => {
    gone = resolve;
  });
  const session = new Session(process.cwd(), () => gone());
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    session.kill();
  }, longest);
  try {
    await session.call<void>("tryBackend", [file]).promise;
    return;
  } catch (error) {
    if (late) return `it did not answer within ${longest / 1000} seconds`;
    return (error instanceof Died ? error.error() : (error as Error)).message;
  } finally {
    clearTimeout(timer);
    session.kill(); // an orderly end may hang in the driver too
    await end;
  }
}
