import type { Options } from "yargs";
import { expectation, type Option, type OptionTable } from "../options/check.js";

/** One flag of the command line: an option, or a member of one ("skipLayerGuidance.scale" is `--skip-layer-guidance-scale`). */
export interface Flag {
  path: string[];
  name: string;
  option: Option;
}

/** "cfgScale" → "cfg-scale"; "skipLayerGuidance.layers[2]" → "skip-layer-guidance-layers". */
export function flagName(path: string): string {
  return path
    .replace(/\[\d+\]/g, "")
    .replace(/\./g, "-")
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The flags of a table, without those that only code can give (callbacks, signals, places in line). */
export function flagsOf(table: OptionTable, path: string[] = []): Flag[] {
  return Object.entries(table).flatMap(([key, option]): Flag[] => {
    const here = [...path, key];
    const own: Flag = { path: here, name: flagName(here.join(".")), option };
    if (option.kind === "callback" || option.kind === "signal" || option.codeOnly) return [];
    if (option.kind !== "object") return [own];
    if (option.orMember) {
      const { [option.orMember]: named, ...others } = option.members; // `--cache easycache` for `cache: { mode: "easycache" }`
      return [...(named ? [{ ...own, path: [...here, option.orMember], option: named }] : []), ...flagsOf(others, here)];
    }
    return [...(option.orBoolean ? [own] : []), ...flagsOf(option.members, here)];
  });
}

/** One letter for what is typed most, as stable-diffusion.cpp's own command has them. */
const letters: Record<string, string> = {
  model: "m",
  "negative-prompt": "n",
  width: "W",
  height: "H",
  seed: "s",
  "batch-count": "b",
  threads: "t",
};

/**
 * The flags as yargs takes them. Values stay text: they are converted here and checked by the API, so that both say the same.
 * @param everyday flags that help shows without `--all`; default: all
 */
export function yargsOptions(flags: Flag[], group: string, everyday?: ReadonlySet<string>): Record<string, Options> {
  return Object.fromEntries(
    flags.map(({ name, option }) => {
      const alias = letters[name];
      const hidden = everyday !== undefined && !everyday.has(name);
      return [name, { ...yargsOption(option), group, ...(alias ? { alias } : {}), ...(hidden ? { hidden } : {}) }];
    }),
  );
}

function yargsOption(option: Option): Options {
  const isSwitch = option.kind === "boolean" || option.kind === "object";
  const isMany = takesMany(option);
  const shown = option.default === undefined || option.default === "" ? undefined : String(option.default);
  return {
    ...(isSwitch ? { type: "boolean" } : { requiresArg: true }),
    ...(isMany ? { type: "string", array: true } : {}),
    describe: `${option.description}${hint(option)}`,
    defaultDescription: option.defaultText ?? shown,
  };
}

function hint(option: Option): string {
  if (option.kind === "enum") return `: ${option.values.join(", ")}`;
  if (option.kind === "integer" || option.kind === "number")
    return ` (${expectation(option).replace(/^an? (integer |number )?(from )?/, "")})`;
  if (option.kind !== "list") return "";
  return takesMany(option) ? " (separated by spaces)" : " (separated by commas)";
}

/** File names may hold commas. */
function takesMany(option: Option): boolean {
  return option.kind === "list" && option.of.kind === "string";
}

/** Of a flag that is given twice the last counts, as in other commands; yargs makes a list where a command has arguments of many words. */
export function lastOf<T>(value: T | readonly T[]): T {
  return Array.isArray(value) ? (value.at(-1) as T) : (value as T);
}

/** The options object that the flags describe. */
export function readFlags(flags: Flag[], argv: Record<string, unknown>): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const { path, name, option } of flags) {
    const value = takesMany(option) ? argv[name] : lastOf(argv[name]);
    if (value === undefined) continue;
    const [key = "", member] = path;
    if (member === undefined) options[key] = convert(option, value);
    else if (options[key] !== false) {
      const members = typeof options[key] === "object" ? (options[key] as object) : {};
      options[key] = { ...members, [member]: convert(option, value) };
    }
  }
  return options;
}

/** Text → the option's type. What does not look like it stays text, for the check to name. */
function convert(option: Option, value: unknown): unknown {
  if (typeof value !== "string") return value;
  const text = value.trim();
  if (option.fromText) return option.fromText(text);
  if (option.kind === "integer" || option.kind === "number") return text !== "" && Number.isFinite(Number(text)) ? Number(text) : value;
  if (option.kind === "seed") return /^-?\d+$/.test(text) ? BigInt(text) : value;
  if (option.kind === "list") return text.split(",").map((item) => convert(option.of, item));
  return value;
}
