import { InvalidOptionError } from "../../errors.js";
import { type Option, type OptionTable, suggestion } from "../../options/check.js";
import { generateOptions } from "../../options/index.js";
import { parseText, pictureOf } from "../body.js";
import type { DrawOptions, NamedLora } from "../draw.js";
import { HttpError } from "../errors.js";

/** A server decides these itself. */
const ofServer = ["signal", "force", "priority"];

/** What a job may ask for: `GenerateOptions`, with LoRAs and the upscaler by name, and pictures as base64, data URLs or files of a form. */
export const jobOptions: OptionTable = Object.fromEntries(Object.entries(generateOptions).filter(([name]) => !ofServer.includes(name)));

/**
 * The fields of a request as options. Those of a form are text, which is read by the option's kind; `options` may hold any of them as JSON.
 * Members that are null count as left out.
 * @throws HttpError 400; what is wrong with single options, `draw` says
 */
export function readRequest(fields: Record<string, unknown>): { model?: string; options: DrawOptions } {
  const { options: more, model, ...given } = fields;
  const inside = typeof more === "string" ? parseText(more) : (more ?? {});
  if (typeof inside !== "object" || inside === null)
    throw new HttpError(400, "invalid_json", "options: expected a JSON object.", "options");
  if (model !== undefined && model !== null && typeof model !== "string")
    throw new HttpError(400, "invalid_model", "model: expected a name.", "model");
  const options: Record<string, unknown> = {};
  for (const [name, value] of Object.entries({ ...inside, ...given })) {
    const option = Object.hasOwn(jobOptions, name) ? jobOptions[name] : undefined;
    const shown = name.slice(0, 80);
    if (!option) throw new InvalidOptionError(shown, `unknown option ${shown}${suggestion(name, Object.keys(jobOptions))}`);
    if (value !== null) options[name] = read(option, value, name);
  }
  if (options.loras !== undefined) options.loras = lorasOf(options.loras);
  return { model: model ?? undefined, options: options as unknown as DrawOptions };
}

function read(option: Option, value: unknown, name: string): unknown {
  if (option.kind === "image") return option.words?.includes(value as string) ? value : pictureOf(value, name);
  if (typeof value !== "string") return value;
  const text = value.trim();
  if (option.kind === "integer" || option.kind === "number") return text !== "" && Number.isFinite(Number(text)) ? Number(text) : value;
  if (option.kind === "seed") return /^\d{1,19}$/.test(text) ? BigInt(text) : value;
  if (option.kind === "boolean" || (option.kind === "object" && option.orBoolean && /^(true|false)$/.test(text)))
    return text === "true" ? true : text === "false" ? false : value;
  if (option.kind === "list" || (option.kind === "object" && text.startsWith("{"))) return parseText(text) ?? value;
  return value;
}

/** `[{ name, weight }]`, or names alone. */
function lorasOf(value: unknown): NamedLora[] {
  const list = Array.isArray(value) ? value : [value];
  return list.map((item, at) => {
    const lora = typeof item === "string" ? { name: item } : (item as NamedLora | null);
    const { name, weight, ...rest } = lora ?? ({} as NamedLora);
    const weightFits = weight === undefined || typeof weight === "number";
    if (typeof name === "string" && weightFits && Object.keys(rest).length === 0) return weight === undefined ? { name } : { name, weight };
    throw new HttpError(400, "invalid_lora", `loras[${at}]: expected { name, weight }, with a name of /v1/loras.`, `loras[${at}]`);
  });
}
