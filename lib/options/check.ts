import { types } from "node:util";
import { InvalidOptionError } from "../errors.js";

/** What an option accepts. Numbers must stay in range as 32-bit floats too, since the engine computes with those. */
type Rule =
  | { kind: "string"; maxBytes: number; filled?: true }
  | { kind: "integer"; min: number; max: number; multipleOf?: number }
  | { kind: "number"; min: number; max: number; above?: true }
  | { kind: "boolean" }
  /** `refused`: names that exist, each with the reason why it may not be used. */
  | { kind: "enum"; values: readonly string[]; refused?: Readonly<Record<string, string>> }
  | { kind: "seed" }
  /** `orItem`: one item, a string, may stand alone. */
  | { kind: "list"; of: Option; min: number; max: number; orItem?: true }
  | { kind: "object"; members: OptionTable; orBoolean?: true; orMember?: string }
  | { kind: "pattern"; pattern: RegExp; form: string }
  | { kind: "callback" }
  | { kind: "signal" }
  | { kind: "image"; words?: readonly string[] };

export type Option = Rule & {
  description: string;
  default?: unknown;
  /** Stands in help for a default that the model or the machine decides. */
  defaultText?: string;
  required?: true;
  /** Environment variable that holds a number to take in place of the default. */
  env?: string;
  /** Reads the command line's text where it is not the value itself. */
  fromText?: (text: string) => unknown;
  /** No flag of the command line: without meaning for a process that does one thing. */
  codeOnly?: true;
};

/** Validates the options and makes the command line's flags and help. */
export type OptionTable = Record<string, Option>;

export const maxSeed = 2n ** 63n - 1n;

const imageForms = "a path, the bytes of an image file, a data URL, an Image, { data, width, height, channels } or a sharp instance";

/** "a multiple of 16 from 16 to 1024" */
export function expectation(option: Option): string {
  switch (option.kind) {
    case "string":
      return `a ${option.filled ? "non-empty " : ""}string of at most ${option.maxBytes} bytes (UTF-8) without NUL`;
    case "integer":
      return `${option.multipleOf ? `a multiple of ${option.multipleOf}` : "an integer"} from ${option.min} to ${option.max}`;
    case "number":
      return `a number ${option.above ? "above" : "from"} ${option.min}${option.above ? ", at most" : " to"} ${option.max}`;
    case "boolean":
      return "true or false";
    case "enum":
      return `one of ${option.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "seed":
      return "an integer from 0 to 2^63-1, as a bigint above 2^53-1";
    case "list":
      return `${option.orItem ? `${expectation(option.of)} or ` : ""}an array of ${option.min} to ${option.max} items`;
    case "object":
      if (option.orMember) return `true, false, the ${option.orMember} or an object`;
      return option.orBoolean ? "true, false or an object" : "an object";
    case "pattern":
      return option.form;
    case "callback":
      return "a function";
    case "signal":
      return "an AbortSignal";
    case "image":
      return [...(option.words ?? []).map((word) => JSON.stringify(word)), imageForms].join(", ");
  }
}

function received(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value === "function") return "a function";
  return String(value);
}

function fail(path: string, option: Option, value: unknown, more = ""): never {
  throw new InvalidOptionError(path, `expected ${expectation(option)}, received ${received(value)}${more}`);
}

/** Edits (insert, delete, replace) that turn one word into the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

/** "; did you mean cfgScale?", or nothing when no name is near. */
export function suggestion(name: string, known: Iterable<string>): string {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9+]/g, "");
  const word = plain(name.slice(0, 64));
  let best: { name: string; edits: number } | undefined;
  for (const candidate of known) {
    const edits = distance(word, plain(candidate));
    if (edits <= Math.max(1, Math.floor(word.length / 3)) && edits < (best?.edits ?? Infinity)) best = { name: candidate, edits };
  }
  return best ? `; did you mean ${best.name}?` : "";
}

/** Reads every option of the table once, in the table's order, and returns a checked copy with the defaults filled in. */
export function checkOptions(table: OptionTable, input: unknown, path = ""): Record<string, unknown> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new InvalidOptionError(path || "options", `expected an object, received ${received(input)}`);
  }
  const at = (name: string) => (path ? `${path}.${name}` : name);
  for (const name of Object.keys(input)) {
    if (!Object.hasOwn(table, name))
      throw new InvalidOptionError(at(name), `unknown option ${name}${suggestion(name, Object.keys(table))}`);
  }
  const checked: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) {
    const given = (input as Record<string, unknown>)[name];
    const variable = option.env && process.env[option.env];
    if (given === undefined && option.env && variable) {
      checked[name] = checkValue(option, Number.isNaN(Number(variable)) ? variable : Number(variable), option.env);
      continue;
    }
    const value = given === undefined ? option.default : given;
    if (value === undefined && option.required)
      throw new InvalidOptionError(at(name), `expected ${expectation(option)}, but it is missing`);
    if (value !== undefined) checked[name] = checkValue(option, value, at(name));
  }
  return checked;
}

export function checkValue(option: Option, value: unknown, path: string): unknown {
  switch (option.kind) {
    case "string":
      return checkString(option, value, path);
    case "integer":
      if (!Number.isInteger(value) || !inRange(option, value as number) || (value as number) % (option.multipleOf ?? 1))
        fail(path, option, value);
      return value;
    case "number":
      if (typeof value !== "number" || !inRange(option, value)) fail(path, option, value);
      return value;
    case "boolean":
      if (typeof value !== "boolean") fail(path, option, value);
      return value;
    case "enum":
      if (typeof value !== "string") fail(path, option, value);
      if (option.refused && Object.hasOwn(option.refused, value)) fail(path, option, value, `; ${option.refused[value]}`);
      if (!option.values.includes(value)) fail(path, option, value, suggestion(value, option.values));
      return value;
    case "seed":
      if (typeof value === "number" ? !Number.isSafeInteger(value) : typeof value !== "bigint") fail(path, option, value);
      if ((value as number | bigint) < 0) fail(path, option, value, "; leave it out for a random seed");
      if (BigInt(value as number | bigint) > maxSeed) fail(path, option, value);
      return BigInt(value as number | bigint);
    case "list":
      return checkList(option, value, path);
    case "object":
      if (option.orBoolean && typeof value === "boolean") return value ? checkOptions(option.members, {}, path) : undefined;
      if (option.orMember && typeof value === "string") return checkOptions(option.members, { [option.orMember]: value }, path);
      return checkOptions(option.members, value, path);
    case "pattern":
      if (typeof value !== "string" || !option.pattern.test(value)) fail(path, option, value);
      return value;
    case "callback":
      if (typeof value !== "function") fail(path, option, value);
      return value;
    case "image":
      return checkImage(option, value, path);
    case "signal": {
      // By shape, since another realm (an Electron context, a test environment) has its own AbortSignal.
      const signal = value as AbortSignal | null;
      if (typeof signal?.aborted !== "boolean" || typeof signal.addEventListener !== "function") fail(path, option, value);
      return value;
    }
  }
}

function inRange(option: Extract<Option, { kind: "integer" | "number" }>, value: number): boolean {
  const single = option.kind === "number" ? Math.fround(value) : value;
  const aboveMin = option.kind === "number" && option.above ? single > option.min : value >= option.min;
  return aboveMin && value <= option.max;
}

function checkString(option: Extract<Option, { kind: "string" }>, value: unknown, path: string): string {
  if (typeof value !== "string" || (option.filled && value === "") || value.includes("\0")) fail(path, option, value);
  const bytes = Buffer.byteLength(value);
  if (bytes > option.maxBytes) fail(path, option, value, ` (${bytes} bytes)`);
  return Buffer.from(value).toString(); // lone surrogates become U+FFFD here, as they would on the way to the engine
}

function checkList(option: Extract<Option, { kind: "list" }>, value: unknown, path: string): unknown[] {
  if (option.orItem && typeof value === "string") return [checkValue(option.of, value, path)];
  if (!Array.isArray(value)) fail(path, option, value);
  const length = value.length;
  if (length < option.min || length > option.max) fail(path, option, value);
  return Array.from({ length }, (_, index) => checkValue(option.of, value[index], `${path}[${index}]`));
}

/**
 * Checks the form alone; whether a file is a picture shows when it is read. Bytes and pixels are copied here, so that nothing the caller
 * does later (writing, transferring or detaching the buffer) reaches them.
 */
function checkImage(option: Option, value: unknown, path: string): unknown {
  if (typeof value === "string") return value === "" || value.includes("\0") ? fail(path, option, value) : value;
  if (typeof value !== "object" || value === null) fail(path, option, value);
  if (isBytes(value)) {
    const bytes = copyOf(option, value, path);
    return bytes.length > 0 ? bytes : fail(path, option, value, " without a byte");
  }
  if (["clone", "metadata", "toBuffer"].every((name) => typeof (value as Record<string, unknown>)[name] === "function")) return value;
  const { data, width, height, channels } = value as Record<string, unknown>;
  if (!isBytes(data)) fail(path, option, value);
  const side = { kind: "integer", min: 1, max: 65_535, description: "Pixels" } as const;
  const [w, h] = [checkValue(side, width, `${path}.width`), checkValue(side, height, `${path}.height`)] as [number, number];
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw new InvalidOptionError(`${path}.channels`, `expected 1, 3 or 4, received ${received(channels)}`);
  const length = w * h * channels;
  const pixels = copyOf(option, data, path);
  if (pixels.length !== length)
    throw new InvalidOptionError(`${path}.data`, `expected ${w} x ${h} x ${channels} = ${length} bytes, received ${pixels.length}`);
  return { data: pixels, width: w, height: h, channels };
}

type Bytes = Uint8Array | Uint8ClampedArray | ArrayBuffer;

/** The kind of a typed array, of whatever realm: another one (jsdom, vm, Electron) has classes of its own. */
const kindOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get;

/** By what they are, not by their class. */
export function isBytes(value: unknown): value is Bytes {
  return types.isAnyArrayBuffer(value) || ["Uint8Array", "Uint8ClampedArray"].includes(kindOf?.call(value) ?? "");
}

/** By the constructor, which reads what the array really holds, whatever its `length` says. */
function copyOf(option: Option, data: Bytes, path: string): Uint8Array {
  try {
    return types.isAnyArrayBuffer(data) ? new Uint8Array(data).slice() : new Uint8Array(data);
  } catch (error) {
    return fail(path, option, data, `, which cannot be read: ${(error as Error).message}`); // detached, or no array in truth
  }
}
