import { parseText } from "../body.js";
import { HttpError } from "../errors.js";

/** Of a request to this convention that cannot be done as it is. */
export function invalid(param: string, message: string, code = "invalid_value"): HttpError {
  return new HttpError(400, code, message, param);
}

const shown = (value: unknown) => {
  const text = typeof value === "string" ? `'${value}'` : Buffer.isBuffer(value) ? "a file" : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

/** Members of a JSON body, or text fields of a form; null and empty text of a form count as left out. */
export class Fields {
  constructor(readonly values: Record<string, unknown>) {}

  get(name: string): unknown {
    const value = Object.hasOwn(this.values, name) ? this.values[name] : undefined;
    return value === null || value === "" ? undefined : value;
  }

  text(name: string): string | undefined {
    const value = this.get(name);
    if (value === undefined || typeof value === "string") return value;
    throw invalid(name, `Invalid type for '${name}': expected a string, received ${shown(value)}.`, "invalid_type");
  }

  number(name: string): number | undefined {
    const value = this.get(name);
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (number === undefined || (typeof number === "number" && Number.isFinite(number))) return number;
    throw invalid(name, `Invalid type for '${name}': expected a number, received ${shown(value)}.`, "invalid_type");
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.number(name);
    if (value === undefined) return undefined;
    if (!Number.isInteger(value))
      throw invalid(name, `Invalid type for '${name}': expected an integer, received ${value}.`, "invalid_type");
    if (value < min)
      throw invalid(name, `Invalid '${name}': expected a value of at least ${min}, received ${value}.`, "integer_below_min_value");
    if (value > max)
      throw invalid(name, `Invalid '${name}': expected a value of at most ${max}, received ${value}.`, "integer_above_max_value");
    return value;
  }

  choice<Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const value = this.text(name);
    if (value === undefined || values.includes(value as Value)) return value as Value | undefined;
    throw invalid(name, `Invalid value: ${shown(value)}. Supported values are: ${values.map((one) => `'${one}'`).join(", ")}.`);
  }

  flag(name: string): boolean {
    const value = this.get(name);
    if (value === undefined) return false;
    const text = String(value).toLowerCase(); // Python's form fields say True
    if (text === "true" || text === "false") return text === "true";
    throw invalid(name, `Invalid type for '${name}': expected a boolean, received ${shown(value)}.`, "invalid_type");
  }

  /** As text where it has 64 bits. Below 0 is none. */
  seed(name: string): bigint | undefined {
    const value = this.get(name);
    if (typeof value === "string" && /^\d{1,19}$/.test(value)) return BigInt(value);
    const number = this.number(name);
    if (number === undefined || number < 0) return undefined;
    if (Number.isSafeInteger(number)) return BigInt(number);
    throw invalid(name, `Invalid '${name}': expected an integer, as text beyond 2^53, received ${shown(value)}.`);
  }

  /** A list as JSON, also in a form's text. */
  list(name: string): unknown[] | undefined {
    const value = this.get(name);
    if (value === undefined || Array.isArray(value)) return value;
    const list = typeof value === "string" ? parseText(value) : undefined;
    if (Array.isArray(list)) return list;
    throw invalid(name, `Invalid type for '${name}': expected a list, received ${shown(value)}.`, "invalid_type");
  }
}
