import type { LicenseSummary } from "./types/pull.js";

interface ErrorDetails {
  /** The engine's last error lines. */
  log?: string[];
  cause?: unknown;
}

/** What a server would answer (RFC 9110, and 507 of RFC 4918): whose fault an error is, and whether it is worth trying again. */
const statusCodes = {
  ERR_INVALID_OPTION: 400,
  ERR_MODEL_FILE: 422,
  ERR_MISSING_COMPONENT: 422,
  ERR_UNSUPPORTED_MODEL: 422,
  ERR_INSUFFICIENT_MEMORY: 507,
  ERR_GENERATION: 500,
  ERR_ENGINE_ASSERTION: 500,
  ERR_ENGINE_CRASH: 503,
  ERR_DISPOSED: 503,
  ERR_QUEUE_FULL: 429,
  ERR_NO_BINARY: 501,
  ERR_DOWNLOAD: 502,
  ERR_CHECKSUM: 502,
  ERR_LICENSE: 451,
} as const;

/** Stable codes of the package's errors. */
export type ErrorCode = keyof typeof statusCodes;

function jsonOf(error: SdcppError | InvalidOptionError): Pick<SdcppError, "name" | "code" | "statusCode" | "message" | "log"> {
  const { name, code, statusCode, message } = error;
  return { ...error, name, code, statusCode, message };
}

/** Base of every error this package makes; `error instanceof SdcppError` also holds for `InvalidOptionError`. */
export abstract class SdcppError extends Error {
  abstract readonly code: ErrorCode;
  /** The engine's last error lines; empty when the engine was not involved. */
  readonly log: string[];

  /** @param details what the class tells beside the message, each a property of the error */
  constructor(message: string, { log = [], cause, ...details }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.log = log;
    Object.assign(this, details);
  }

  /** A hint for servers: the HTTP status that fits, such as 400 for InvalidOptionError, 429 for QueueFullError, 507 for a lack of memory. */
  get statusCode(): number {
    return statusCodes[this.code];
  }

  /** What `JSON.stringify` takes: name, code, statusCode, message, and what the class tells beside them; no stack, no cause. */
  toJSON(): ReturnType<typeof jsonOf> {
    return jsonOf(this);
  }

  // InvalidOptionError must extend TypeError, and a class has one parent only.
  static override [Symbol.hasInstance](value: unknown): boolean {
    const isInstance = Function.prototype[Symbol.hasInstance];
    // biome-ignore lint/complexity/noThisInStatic: the class that was asked for, which may be a subclass
    return isInstance.call(this, value) || (this === SdcppError && isInstance.call(InvalidOptionError, value));
  }
}

/** The base of a class whose errors tell `Details`. */
function telling<Details extends object>() {
  return SdcppError as unknown as abstract new (
    message: string,
    details?: ErrorDetails & Details,
  ) => SdcppError & Readonly<Details>;
}

/** An option of wrong type, range or combination, or a misspelled name. */
export class InvalidOptionError extends TypeError {
  readonly code = "ERR_INVALID_OPTION";
  readonly log: string[] = [];

  /**
   * @param path where, for example `skipLayerGuidance.layers[2]`
   * @param detail what was expected and what came
   */
  constructor(
    readonly path: string,
    readonly detail: string,
    options?: ErrorOptions,
  ) {
    super(path ? `${path}: ${detail}` : detail, options);
    this.name = new.target.name;
  }

  /** As of every SdcppError: 400. */
  get statusCode(): number {
    return statusCodes[this.code];
  }

  /** As of every SdcppError, with `path` and `detail`. */
  toJSON(): ReturnType<typeof jsonOf> {
    return jsonOf(this);
  }
}

interface FileDetails {
  /** Path or URL, where known. */
  file?: string;
  /** The byte in the file where the fault is, where known. */
  offset?: number;
}

/** A file that is missing, unreadable, truncated, malformed or of a foreign format. */
export class ModelFileError extends telling<FileDetails>() {
  readonly code = "ERR_MODEL_FILE";
}

/** No diffusion model, no text encoder or no VAE; the message names a file to get. */
export class MissingComponentError extends SdcppError {
  readonly code = "ERR_MISSING_COMPONENT";
}

/** A model of another family or layout, or another kind of file given as one. */
export class UnsupportedModelError extends SdcppError {
  readonly code = "ERR_UNSUPPORTED_MODEL";
}

interface MemoryDetails {
  /** Bytes, where known. */
  needed?: number;
  available?: number;
  /** What would help, in words; may be empty. */
  suggestions: string[];
}

/** The estimate or an allocation exceeds the device's memory. */
export class InsufficientMemoryError extends telling<MemoryDetails>() {
  readonly code = "ERR_INSUFFICIENT_MEMORY";

  constructor(message: string, details: ErrorDetails & Partial<MemoryDetails> = {}) {
    super(message, { suggestions: [], ...details });
  }
}

/** The engine failed; `log` says why. */
export class GenerationError extends SdcppError {
  readonly code = "ERR_GENERATION";
}

/** An assertion of the engine failed; the message has its text and file:line. */
export class EngineAssertionError extends SdcppError {
  readonly code = "ERR_ENGINE_ASSERTION";
}

interface CrashDetails {
  /** What ended it, such as "SIGSEGV"; on Windows and in Electron there is only an `exitCode`. */
  signal?: string;
  exitCode?: number;
}

/**
 * The engine's process died (only with `isolate: true`). It has been started again, unless the message says otherwise; `log` has the last
 * lines of the engine's log and of what the process printed.
 */
export class EngineCrashError extends telling<CrashDetails>() {
  readonly code = "ERR_ENGINE_CRASH";
}

/** Used after `dispose()`, or stopped by it. */
export class DisposedError extends SdcppError {
  readonly code = "ERR_DISPOSED";
}

/** As many runs of the model wait as `maxQueue` allows. Nothing was started: try again when one has ended. */
export class QueueFullError extends SdcppError {
  readonly code = "ERR_QUEUE_FULL";

  /** @param maxQueue the limit that was given to `loadModel` */
  constructor(readonly maxQueue: number) {
    super(`One run of this model is unfinished and ${maxQueue} wait behind it, as many as maxQueue allows. Try again when one has ended.`);
  }
}

/** There is no native build for this platform, or it does not load. */
export class NoBinaryError extends SdcppError {
  readonly code = "ERR_NO_BINARY";
}

/** A download failed. */
export class DownloadError extends SdcppError {
  readonly code = "ERR_DOWNLOAD";
}

/** A downloaded file is not the one that was asked for. */
export class ChecksumError extends SdcppError {
  readonly code = "ERR_CHECKSUM";
}

interface LicenseDetails {
  /** What has to be accepted. */
  license?: LicenseSummary;
}

/** The license of a model has to be accepted first. */
export class LicenseError extends telling<LicenseDetails>() {
  readonly code = "ERR_LICENSE";
}

const classes: Record<string, new (message: string, details?: ErrorDetails) => SdcppError> = {
  ERR_MODEL_FILE: ModelFileError,
  ERR_MISSING_COMPONENT: MissingComponentError,
  ERR_UNSUPPORTED_MODEL: UnsupportedModelError,
  ERR_INSUFFICIENT_MEMORY: InsufficientMemoryError,
  ERR_GENERATION: GenerationError,
  ERR_ENGINE_ASSERTION: EngineAssertionError,
  ERR_ENGINE_CRASH: EngineCrashError,
  ERR_DISPOSED: DisposedError,
};

/** What native code rejects or throws with: a stable code, and the engine's last error lines. */
export interface NativeError extends Error {
  code: string;
  log?: string[];
  /** Of a lack of memory. */
  needed?: number;
  available?: number;
  suggestions?: string[];
  /** How the engine's process ended (lib/engine/isolation/). */
  signal?: string;
  exitCode?: number;
}

/** The stack of whoever called `method`, for errors that arrive later from another thread. */
export function callSite(method: (...args: never[]) => unknown): string {
  const site: { stack?: string } = {};
  Error.captureStackTrace(site, method);
  return site.stack ?? "";
}

/** What a stopped call rejects with when no other reason was given, as in `fetch`. */
export function abortError(): DOMException {
  return new DOMException("This operation was aborted", "AbortError");
}

/** An error in the form of those of native code, for `fromNative`. */
export function nativeError(code: string, message: string, details?: Partial<NativeError>): NativeError {
  return Object.assign(new Error(message), details, { code });
}

/** True for the rejection of a canceled native job. */
export function isCancelled(error: unknown): boolean {
  return (error as NativeError | undefined)?.code === "ERR_CANCELLED";
}

/** What C++ calls a failed allocation; such an error, made where a call was being prepared, has no code. */
const badAlloc = /^(std::bad_alloc|bad allocation)$/;

/** In an Electron archive no library can be loaded. */
const packed = /[\\/][^\\/]+\.asar[\\/]/;
const unpack =
  'Unpack it from the archive: asarUnpack: ["**/node_modules/{node-sd-cpp,sharp,@img}/**"] in electron-builder, asar: { unpack: the same } in Forge; see docs/electron.md.';
const build = "Build one with `npx node-sd-cpp build`, which tells what it needs; see docs/install.md.";

/** The one door for native errors: gives them their class and the caller's stack. Anything else passes unchanged. */
export function fromNative(error: unknown, site: string): unknown {
  if (!(error instanceof Error) || error instanceof SdcppError) return error;
  const { code, message, ...details } = error as NativeError;
  let mapped: Error;
  if (isCancelled(error)) return abortError();
  if (code === "ERR_INVALID_OPTION") {
    const [, path = "", detail = message] = /^([\w.[\]]+): (.*)$/s.exec(message) ?? [];
    mapped = new InvalidOptionError(path, detail);
  } else if (code === "ERR_DLOPEN_FAILED" || message.startsWith("No native build was found")) {
    mapped = new NoBinaryError(
      `No usable native build for ${process.platform}-${process.arch}: ${message.trim().replace(/\s+/g, " ")}. ${packed.test(message) ? unpack : build}`,
      { cause: error },
    );
  } else {
    const lacking = badAlloc.test(message);
    const Class = lacking ? InsufficientMemoryError : classes[code];
    if (!Class) return error;
    mapped = new Class(lacking ? "The system has no memory left." : message, details);
  }
  return withSite(mapped, site);
}

/** Gives an error that came later the stack of whoever made the call. */
export function withSite(error: Error, site: string): Error {
  error.stack = `${error.name}: ${error.message}${site.slice(site.indexOf("\n    at "))}`;
  return error;
}

/** For messages that repeat what may be long, such as a data URL: at most 200 characters. */
export function shortened(text: string): string {
  return text.length > 200 ? `${text.slice(0, 150)}…${text.slice(-49)}` : text;
}

/** For messages: "2.86 GB", in powers of ten as on the hub's pages. */
export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
