import os from "node:os";
import { InvalidOptionError, SdcppError } from "../errors.js";

/** What a request did wrong before there was anything to draw: its form, its key, its size. */
export class HttpError extends Error {
  /**
   * @param status HTTP status
   * @param code short and stable, such as "not_found"
   * @param message a sentence for whoever sent the request
   * @param param the field it is about
   */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly param?: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = "HttpError";
  }
}

/** What of an error leaves the machine; each convention puts it into its own shape. */
export interface ErrorInfo {
  status: number;
  /** As in `ErrorCode` ("ERR_QUEUE_FULL"), or that of an HttpError. */
  code: string;
  message: string;
  param?: string;
  headers: Readonly<Record<string, string>>;
}

/** A client closed its request: nobody reads the answer, but logs have a status (nginx's). */
export const clientClosed = 499;

/** A message that begins with the option it is about, beginning with the name that a convention has for it. */
export function inTheirWords(message: string, param: string | undefined, names: Readonly<Record<string, string>>): string {
  const name = param !== undefined && Object.hasOwn(names, param) ? names[param] : undefined;
  return name !== undefined && message.startsWith(`${param}:`) ? `${name}${message.slice((param as string).length)}` : message;
}

/** An error of an option under the name that a convention has for it: "steps: …" → "num_inference_steps: …". */
export function renamed(error: unknown, names: Readonly<Record<string, string>>): unknown {
  if (error instanceof InvalidOptionError) {
    const { path, detail } = error as InvalidOptionError;
    return names[path] === undefined ? error : new InvalidOptionError(names[path], detail, { cause: error });
  }
  if (!(error instanceof HttpError) || error.param === undefined || names[error.param] === undefined) return error;
  return new HttpError(error.status, error.code, inTheirWords(error.message, error.param, names), names[error.param], error.headers);
}

/**
 * No path, stack or log of the engine goes out, and of errors that nobody foresaw nothing at all.
 * @param roots folders whose names stay here, beside the home and working folder
 */
export function describeError(error: unknown, roots: readonly string[] = []): ErrorInfo {
  if (error instanceof HttpError) {
    const { status, code, message, param, headers } = error;
    return { status, code, message, param, headers };
  }
  if (error instanceof SdcppError) {
    const param = error instanceof InvalidOptionError ? (error as InvalidOptionError).path : undefined;
    return { status: error.statusCode, code: error.code, message: withoutPaths(error.message, roots), param, headers: {} };
  }
  if (error instanceof Error && error.name === "AbortError")
    return { status: clientClosed, code: "canceled", message: "The picture was canceled.", headers: {} };
  return { status: 500, code: "internal_error", message: "The server failed; its log says why.", headers: {} };
}

/** Of each absolute path only the last name stays. */
export function withoutPaths(text: string, roots: readonly string[] = []): string {
  const own = [...roots, os.homedir(), process.cwd(), os.tmpdir()].filter((root) => root.length > 1).sort((a, b) => b.length - a.length);
  const plain = own.reduce((rest, root) => rest.split(root).join("/…"), text); // these may have spaces in them
  return plain.replace(/(?<![\w:/.])(?:[A-Za-z]:)?[/\\](?:[^\s/\\"'()<>|:]+[/\\])+(?=[^\s/\\])/g, "").replaceAll("/…", "…");
}
