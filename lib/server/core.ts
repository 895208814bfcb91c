import { existsSync } from "node:fs";
import type { Context, Hono } from "hono";
import { InvalidOptionError } from "../errors.js";
import { mostBodies } from "./body.js";
import { describeError, type ErrorInfo } from "./errors.js";
import { Folder } from "./folder.js";
import { Gallery } from "./gallery/gallery.js";
import { Jobs } from "./jobs.js";
import { Models } from "./models.js";
import { type CheckedHandlerOptions, checkHandlerOptions, foldersOf, type HandlerOptions } from "./options.js";
import { Pulls } from "./pulls.js";
import { Results } from "./results.js";

/** What all conventions are built on. */
export interface Core {
  readonly options: CheckedHandlerOptions;
  readonly models: Models;
  readonly jobs: Jobs;
  readonly loras: Folder;
  readonly upscalers: Folder;
  readonly gallery: Gallery;
  readonly pulls: Pulls;
  /** Folders whose names no answer has. */
  readonly roots: readonly string[];
  /** Milliseconds since 1970. */
  readonly started: number;
  /** Has it called when the server ends. */
  onClose(callback: () => void): void;
  /** Cancels all work, unloads the models. */
  close(): Promise<void>;
}

/** What middleware finds out about a request. */
export interface Env {
  Variables: { owner: string; requestId: string };
}
export type App = Hono<Env>;
export type RequestContext = Context<Env>;

/** A way in which clients talk to the server: translates to and from `draw`, and knows of no other one. */
export interface Convention {
  name: string;
  /** Whether errors of this path have this convention's shape. */
  owns(path: string): boolean;
  /** Whether addresses need no key, since nobody can guess them. Default: none. */
  isOpen?(path: string): boolean;
  /** How clients of it say their key, for `www-authenticate`. */
  auth?: "Bearer" | "Basic";
  mount(app: App, core: Core): void;
  errorBody(info: ErrorInfo, context: { requestId: string }): object;
}

/** @throws InvalidOptionError for a wrong option, or a folder that does not exist */
export function createCore(given: HandlerOptions): Core {
  const options = checkHandlerOptions(given);
  const { modelsDir, loraDir, upscalerDir, outputDir, maxQueue, maxBody, keepSeconds, keepBytes } = options;
  for (const [name, folder] of Object.entries({ modelsDir, loraDir, upscalerDir, outputDir })) {
    if (folder !== undefined && !existsSync(folder)) throw new InvalidOptionError(name, `expected an existing folder, received ${folder}`);
  }
  const closers = new Set<() => void>();
  const results = new Results({ outputDir, keepSeconds, keepBytes, keepJobs: 1000 });
  const models = new Models(options);
  const folders = [modelsDir, loraDir, upscalerDir, outputDir].filter((folder) => folder !== undefined);
  const roots = [...folders, ...foldersOf(options.model)];
  const jobs = new Jobs({ maxQueue, maxHeld: mostBodies * maxBody }, results, ({ id }, error) => {
    const { status, code, message } = describeError(error, roots);
    if (status >= 500) options.onLog?.(`job ${id}: ${code === "internal_error" ? (error as Error).stack : `${code}: ${message}`}`);
  });
  const pulls = new Pulls(options);
  return {
    options,
    models,
    jobs,
    loras: new Folder("LoRA", loraDir, [".safetensors", ".gguf"]),
    upscalers: new Folder("upscaler", upscalerDir, [".safetensors", ".gguf", ".pth", ".pt"]),
    gallery: new Gallery(options, jobs),
    pulls,
    roots,
    started: Date.now(),
    onClose: (callback) => closers.add(callback),
    close: async () => {
      await Promise.all([jobs.close(), pulls.close()]);
      await models.close();
      for (const callback of closers) callback();
      closers.clear();
    },
  };
}
