import type { Option, OptionTable } from "../../options/check.js";
import { generateOptions } from "../../options/index.js";
import { pictureOf } from "../body.js";
import type { Core } from "../core.js";
import { HttpError } from "../errors.js";

/** What the tools take: of the options of `generate` those that a language model has use for. */

const pick = (...names: string[]): OptionTable => Object.fromEntries(names.map((name) => [name, generateOptions[name] as Option]));

const named = (kind: string) => ({ kind: "string", maxBytes: 4096, filled: true, description: kind }) as const;
const model: Option = { ...named("Name of a model, as list_models has it"), defaultText: "the server's" };
const format: Option = {
  kind: "enum",
  values: ["png", "jpeg", "webp"],
  defaultText: "png, but jpeg where the PNGs are more than a megabyte, which is what some clients take",
  description: "Of the pictures in the answer",
};
const picture = (what: string): Option => ({
  kind: "string",
  maxBytes: 2 ** 30,
  filled: true,
  required: true,
  description: `${what}: the "image" that an earlier result names, or the file as base64 or data URL`,
});
const { required: _required, ...optional } = picture("White where it is to be painted anew");

const drawing = pick("prompt", "negativePrompt");
const details = pick("width", "height", "steps", "cfgScale", "sampler", "scheduler", "seed", "batchCount", "skipLayerGuidance");

export const generateArguments: OptionTable = { ...drawing, model, ...details, format };

export const editArguments: OptionTable = {
  ...drawing,
  initImage: picture("The picture to change"),
  mask: { ...optional, description: `${optional.description}; or "alpha": where the picture is transparent. Default: all of it` } as Option,
  ...pick("strength", "maskFeather", "keepUnmasked", "fit"),
  model,
  ...details,
  format,
};

export const enlargeArguments: OptionTable = {
  image: picture("The picture to enlarge"),
  upscaler: { ...named("Name of an upscaler, as list_models has it"), defaultText: "the server's first network, else lanczos" },
  scale: { kind: "number", min: 0, above: true, max: 16, defaultText: "the network's own, else 2", description: "Factor of both sides" },
  format,
};

const reference = /^([0-9a-f]{8}-[0-9a-f-]{27})\/(\d{1,4})$/;

/**
 * A picture among a tool's arguments: one that was drawn before, by the name that its result had, or the bytes of a file.
 * @throws HttpError 400, or 404 when the picture is no longer kept, or is somebody else's
 */
export async function givenPicture(core: Core, owner: string, value: unknown, param: string): Promise<Buffer> {
  const [, job, index] = (typeof value === "string" && reference.exec(value.trim())) || [];
  if (!job) return pictureOf(value, param);
  const found = core.jobs.get(job, owner).pictures[Number(index)];
  if (!found) throw new HttpError(404, "not_found", `${param}: there is no such picture.`, param);
  return found.png();
}
