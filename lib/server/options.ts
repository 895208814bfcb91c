import path from "node:path";
import { InvalidOptionError } from "../errors.js";
import { checkOptions, type OptionTable } from "../options/check.js";
import { fileOptions, modelOptions } from "../options/index.js";
import type { ModelOptions } from "../types/index.js";

/** How models are loaded: all options of `loadModel` but those that name files, and what a server does itself. */
export type LoadOptions = Omit<
  ModelOptions,
  | "files"
  | "preset"
  | "model"
  | "diffusionModel"
  | "clipL"
  | "clipG"
  | "t5xxl"
  | "vae"
  | "taesd"
  | "family"
  | "loraDir"
  | "maxQueue"
  | "signal"
  | "onProgress"
  | "onLog"
>;

/** What the handler takes; all of it may be left out. */
export interface HandlerOptions {
  /** The model that is drawn with where a request names none, as `loadModel` takes it. Default: the first of `modelsDir`, else the demo. */
  model?: ModelOptions;
  /** How every model is loaded, the default one too. `isolate` is true by default, so that a crash costs one job. */
  load?: LoadOptions;
  /** Folder whose checkpoints may be asked for by name: files, or folders with a model's files. Pulled models and the demo always may. Default: none. */
  modelsDir?: string;
  /** Folder of the LoRAs that requests name. Default: none. */
  loraDir?: string;
  /** Folder of the ESRGAN networks that requests name. Default: none. */
  upscalerDir?: string;
  /** Folder for the finished pictures, as PNG with their parameters in them, a folder a day. Default: they stay in memory for a while. */
  outputDir?: string;
  /** Each is a client of its own that sees its jobs alone. Sent as Bearer, as password of Basic, or as `api-key`. Default: none is needed. */
  apiKeys?: string[];
  /** Names beside localhost that the Host header may have. `"*"`: any. Without keys, or on loopback, others are refused (DNS rebinding). */
  allowedHosts?: string[];
  /** Origins of other pages that may use the server from a browser, as "https://example.org". Default: none. */
  corsOrigins?: string[];
  /** Path under which the handler is mounted, as "/sd". Default: "". */
  basePath?: string;
  /** Jobs that may wait, 0 to 10,000; beyond that 429. Default: 100. */
  maxQueue?: number;
  /** Bytes of a request, 1 KiB to 1 GiB. Default: 64 MiB. */
  maxBody?: number;
  /** Pixels of a picture, the second pass of a hires fix included. Default: 4,194,304 (2048x2048). */
  maxPixels?: number;
  /** Default: 150. */
  maxSteps?: number;
  /** Pictures of a request. Default: 10. */
  maxImages?: number;
  /** Seconds after which a model that nobody uses is unloaded; 0 keeps it. Default: 600. */
  idleSeconds?: number;
  /** Seconds that a job that ended can be asked for. Default: 3600. */
  keepSeconds?: number;
  /** Bytes of finished pictures in memory. Default: 256 MiB. */
  keepBytes?: number;
  /** The page for people at `/`. Default: true. */
  page?: boolean;
  /** Pictures of the output folder may be deleted by whoever may see them. Default: false. */
  allowDelete?: boolean;
  /** Models of the catalog may be downloaded to this machine, and their licenses accepted, by whoever may draw. Default: true without `apiKeys`. */
  allowPull?: boolean;
  /** Called with each line for the log; never with prompts or pictures. Default: none. */
  onLog?: (line: string) => void;
}

type Defaulted =
  | "load"
  | "apiKeys"
  | "allowedHosts"
  | "corsOrigins"
  | "basePath"
  | "maxQueue"
  | "maxBody"
  | "maxPixels"
  | "maxSteps"
  | "maxImages"
  | "idleSeconds"
  | "keepSeconds"
  | "keepBytes"
  | "page"
  | "allowDelete"
  | "allowPull";
export type CheckedHandlerOptions = HandlerOptions & Required<Pick<HandlerOptions, Defaulted>>;

const folder = { kind: "string", maxBytes: 32_768, filled: true } as const;
const names = (description: string) =>
  ({ kind: "list", of: { kind: "string", maxBytes: 4096, filled: true, description }, min: 0, max: 1000, orItem: true }) as const;

/** Those that a command line has too. */
export const serverOptions: OptionTable = {
  modelsDir: { ...folder, description: "Folder whose checkpoints may be asked for by name" },
  loraDir: { ...folder, description: "Folder of the LoRAs that requests name" },
  upscalerDir: { ...folder, description: "Folder of the ESRGAN networks that requests name" },
  outputDir: { ...folder, description: "Folder for the finished pictures, with their parameters in the files" },
  apiKeys: { ...names("API key"), description: "Keys, each a client of its own", codeOnly: true },
  allowedHosts: { ...names("Host name"), description: "Names beside localhost that the Host header may have" },
  corsOrigins: { ...names("Origin"), description: "Origins of other pages that may use the server from a browser" },
  basePath: {
    kind: "pattern",
    pattern: /^(\/[\w.-]+)*$/,
    form: 'a path such as "/sd"',
    default: "",
    codeOnly: true,
    description: "Path under which it is mounted",
  },
  maxQueue: { kind: "integer", min: 0, max: 10_000, default: 100, description: "Jobs that may wait; beyond that 429" },
  maxBody: { kind: "integer", min: 1024, max: 2 ** 30, default: 64 * 2 ** 20, description: "Bytes of a request" },
  maxPixels: { kind: "integer", min: 256, max: 2 ** 28, default: 2048 ** 2, description: "Pixels of a picture" },
  maxSteps: { kind: "integer", min: 1, max: 1000, default: 150, description: "Steps of a picture" },
  maxImages: { kind: "integer", min: 1, max: 1000, default: 10, description: "Pictures of a request" },
  idleSeconds: {
    kind: "integer",
    min: 0,
    max: 1_000_000,
    default: 600,
    description: "Seconds after which an unused model is unloaded; 0 keeps it",
  },
  keepSeconds: {
    kind: "integer",
    min: 0,
    max: 1_000_000_000,
    default: 3600,
    description: "Seconds that a job that ended can be asked for",
  },
  keepBytes: { kind: "integer", min: 0, max: 2 ** 40, default: 256 * 2 ** 20, description: "Bytes of finished pictures in memory" },
  page: { kind: "boolean", default: true, description: "The page for people at /; --no-page has none" },
  allowDelete: { kind: "boolean", default: false, description: "Pictures of the output folder may be deleted" },
  allowPull: {
    kind: "boolean",
    defaultText: "true without keys",
    description: "Models may be downloaded to this machine by those who may draw",
  },
};

const ofServer = [
  "files",
  "preset",
  "model",
  "diffusionModel",
  "clipL",
  "clipG",
  "t5xxl",
  "vae",
  "taesd",
  "family",
  "loraDir",
  "maxQueue",
  "signal",
  "onProgress",
  "onLog",
];

/** The options of `loadModel` that go for every model. */
export const loadTable: OptionTable = Object.fromEntries(
  Object.entries({
    ...modelOptions,
    isolate: { kind: "boolean", default: true, description: "Run the engine in a process of its own" } as const,
  }).filter(([name]) => !ofServer.includes(name)),
);

/** @throws InvalidOptionError */
export function checkHandlerOptions(options: HandlerOptions): CheckedHandlerOptions {
  const table: OptionTable = {
    ...serverOptions,
    load: { kind: "object", members: loadTable, default: {}, description: "How every model is loaded" },
    onLog: { kind: "callback", description: "Called with each line for the log" },
  };
  const { model, ...others } = options;
  const checked = checkOptions(table, others) as unknown as CheckedHandlerOptions;
  for (const origin of checked.corsOrigins ?? []) {
    if (URL.canParse(origin) && new URL(origin).origin === origin) continue;
    throw new InvalidOptionError("corsOrigins", `expected origins as "https://example.org", received ${JSON.stringify(origin)}`);
  }
  for (const name of ["modelsDir", "loraDir", "upscalerDir", "outputDir"] as const)
    if (checked[name] !== undefined) checked[name] = path.resolve(checked[name]); // errors tell no part of whole paths, and paths alone
  return {
    ...checked,
    model: model && withWholePaths(model),
    allowPull: checked.allowPull ?? (checked.apiKeys ?? []).length === 0,
    apiKeys: checked.apiKeys ?? [],
    allowedHosts: checked.allowedHosts ?? [],
    corsOrigins: checked.corsOrigins ?? [],
  };
}

function withWholePaths(model: ModelOptions): ModelOptions {
  const whole = (value: unknown): unknown =>
    typeof value === "string" && value !== "" ? path.resolve(value) : Array.isArray(value) ? value.map(whole) : value;
  const isFile = (name: string) => name === "files" || Object.hasOwn(fileOptions, name);
  return Object.fromEntries(Object.entries(model).map(([name, value]) => [name, isFile(name) ? whole(value) : value]));
}

/** Folders of the files that `model` names. */
export function foldersOf(model: ModelOptions = {}): string[] {
  const names = ["files", ...Object.keys(fileOptions)] as (keyof ModelOptions)[];
  const files = names.flatMap((name) => model[name] ?? []).filter((file) => typeof file === "string");
  return [...new Set(files.map((file) => path.dirname(file)))];
}
