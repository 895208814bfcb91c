import { InvalidOptionError, MissingComponentError, ModelFileError, type SdcppError, UnsupportedModelError } from "../errors.js";
import type { ModelFiles, PartName } from "../types/index.js";
import type { Assembly, Slot } from "./assembly.js";
import { type Checkpoint, optionOf, partTitles, whatIs } from "./checkpoint.js";
import { shown } from "./cursor.js";
import { findFault } from "./faults.js";
import type { Kind } from "./kinds.js";
import { isUrl } from "./location.js";
import type { Part } from "./parts.js";
import type { Refusal } from "./quantization.js";
import { advice, remedies } from "./remedies.js";

/**
 * Fails when the files do not make a model that the engine can load.
 * @throws InvalidOptionError for a URL
 * @throws UnsupportedModelError for a file whose weights mean something that is not read, or with tensors of which nothing is known
 * @throws ModelFileError for a part that lacks tensors, or has some of other shapes than the engine computes with
 * @throws MissingComponentError that names the files to get
 */
export function checkLoadable({ used, checkpoints, missing, ignored }: Assembly): void {
  for (const checkpoint of checkpoints)
    checkLocal(used.find((part) => part.checkpoint === checkpoint)?.option ?? "files", checkpoint.location);
  for (const { option, checkpoint, part } of used) {
    if (checkpoint.quantization?.refused) checkRefused(option, checkpoint); // a tensor may be missing because it has another form
    checkFault(option, checkpoint, part);
    checkRefused(option, checkpoint);
  }
  const required = missing.find((part) => part.required);
  if (required) throw lack(required.part, ignored);
}

/** The engine reads files of this machine alone. */
export function checkLocal(option: string, location: string): void {
  if (isUrl(location)) throw new InvalidOptionError(option, `expected a file of this machine, received the URL ${location}; download it`);
}

/** @throws UnsupportedModelError that names what the file has */
export function checkRefused(option: string, { location, refused }: Checkpoint): void {
  if (refused) throw new UnsupportedModelError(`${option}: ${location} ${refusalText(refused)}`);
}

/** @throws ModelFileError for a part that lacks a tensor, or has one of another shape or type than the engine computes with */
export function checkFault(option: string, { location, header }: Checkpoint, part: Part): void {
  const fault = header && findFault(part, header);
  if (fault) throw new ModelFileError(`${option}: ${location} cannot be used as ${partTitles[part.name]}: it ${fault}`, { file: location });
}

/** "has weights quantized by …: 24 tensors such as "x"; get a copy …" */
export function refusalText({ what, remedy, tensors }: Refusal): string {
  const [first] = tensors;
  const count = tensors.length === 1 ? "the tensor" : `${tensors.length} tensors such as`;
  return `${what}${first ? `: ${count} ${shown(first.name)}` : ""}${remedy ? `; ${remedy}` : ""}`;
}

/** What is read from whole files alone: LoRAs and upscalers. */
export function checkWhole(option: string, { location, header }: Checkpoint): void {
  checkLocal(option, location);
  if (!header || header.files.length === 1) return;
  const how = header.format === "gguf" ? " with `llama-gguf-split --merge`" : "";
  throw new UnsupportedModelError(`${option}: ${location} is split into ${header.files.length} files; join them${how} first`);
}

const pull = "`npx node-sd-cpp pull sd3.5-medium` fetches a whole model.";

function lack(part: PartName, ignored: Assembly["ignored"]): MissingComponentError {
  if (part === "diffusion") {
    const skipped = ignored.map(({ file, reason }) => ` ${file} ${reason}.`).join("");
    return new MissingComponentError(`No diffusion model: give diffusionModel, or an all-in-one file as model.${skipped} ${pull}`);
  }
  if (part === "vae") {
    return new MissingComponentError(
      `No VAE: give vae or taesd, or an all-in-one file as model. For example ${advice(remedies.vae)}, or ${advice(remedies.taesd)}. ${pull}`,
    );
  }
  const files = [remedies.clipL, remedies.clipG, remedies.t5xxl].map(advice).join(", ");
  return new MissingComponentError(
    `No text encoder: give at least one of clipL, clipG and t5xxl, or an all-in-one file as model. The published models use all three: ${files}. ${pull}`,
  );
}

export function partTitle(slot: Slot): string {
  return partTitles[slot === "model" || slot === "diffusionModel" ? "diffusion" : slot];
}

/** A part that was given by another part's option. */
export function misplaced(option: Slot, checkpoint: Checkpoint, explicit: ModelFiles): SdcppError {
  const own = optionOf(checkpoint);
  if (own === undefined) return foreign(option, checkpoint);
  const beside = own !== "model" && explicit[own] !== undefined ? `; are ${option} and ${own} swapped?` : "";
  return new ModelFileError(
    `${option}: ${checkpoint.location} is ${article(whatIs(checkpoint))}, expected ${article(partTitle(option))}; give it as ${own}${beside}`,
    { file: checkpoint.location },
  );
}

/** A file that is no part of Stable Diffusion 3, or not the one that was asked for. */
export function foreign(option: string, checkpoint: Checkpoint): SdcppError {
  const own = optionOf(checkpoint);
  const place = own && own !== option ? `give it as ${own}` : undefined;
  const remedy = checkpoint.format === "checkpoint" ? "give it by its option" : checkpoint.kind ? remedyOf[checkpoint.kind.id] : place;
  const expected =
    option === "files" || option === "input"
      ? "parts of Stable Diffusion 3 or 3.5"
      : `${article(partTitle(option as Slot))} of Stable Diffusion 3 or 3.5`;
  return new UnsupportedModelError(
    `${option}: ${checkpoint.location} is ${article(whatIs(checkpoint))}, expected ${expected}${remedy ? `; ${remedy}` : ""}`,
  );
}

const remedyOf: Partial<Record<Kind["id"], string>> = {
  lora: "give a LoRA to generate() as one of loras",
  controlNet: "ControlNets are not supported",
  upscaler: "give it to upscale() or loadUpscaler()",
};

/** "a VAE", "an unknown kind of model" */
export function article(text: string): string {
  return `${/^([aeio]|un)/i.test(text) ? "an" : "a"} ${text}`;
}

export function twice(option: string, first: Checkpoint, second: Checkpoint, what: string, slot: Slot): InvalidOptionError {
  return new InvalidOptionError(
    option,
    `expected one ${what}, but ${first.location} and ${second.location} both are; give the one to be used as ${slot}`,
  );
}
