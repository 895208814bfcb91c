/** JSON has no 64-bit integers: seeds (and numbers in files' metadata) are decimal strings there. */

/** Lets `JSON.stringify` take an object with bigints anywhere in it; the object itself stays as it is. */
export function jsonable<T extends object>(value: T): T {
  return Object.defineProperty(value, "toJSON", { value: () => plain({ ...value }), configurable: true, writable: true });
}

/** `JSON.stringify` for anything with bigints in it. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(plain(value), undefined, indent);
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

export type Json = Record<string, unknown>;

export function objectIn(text: unknown): Json | undefined {
  if (typeof text !== "string" || !/^\s*\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

export function string(...values: unknown[]): string | undefined {
  return values.find((value): value is string => typeof value === "string");
}

/** The first that is a number, or says one. */
export function number(...values: unknown[]): number | undefined {
  const numbers = values.map((value) => (typeof value === "string" && value.trim() !== "" ? Number(value) : value));
  return numbers.find((value): value is number => typeof value === "number" && Number.isFinite(value));
}

/** 64 bits in JSON may have lost their last digits already; such a one is none. */
export function seed(...values: unknown[]): bigint | undefined {
  for (const value of values) {
    if (typeof value === "string" && /^\d{1,19}$/.test(value)) return BigInt(value);
    if (Number.isSafeInteger(value) && (value as number) >= 0) return BigInt(value as number);
  }
  return undefined;
}

export function compact<T extends object>(found: T): T {
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as T;
}
