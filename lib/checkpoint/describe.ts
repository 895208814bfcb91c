import { families, maxSide } from "../catalog/families.js";
import type { FileInspection, InspectedLora, InspectedPart, Layout, PartName, TensorUses } from "../types/index.js";
import { type Checkpoint, optionOf, whatIs } from "./checkpoint.js";
import { findFault } from "./faults.js";
import type { Header } from "./header.js";
import { readAdapter } from "./lora/adapter.js";
import { refusalText } from "./refusals.js";
import { elementsOf, type TensorInfo } from "./tensors.js";

/** What the makers of the parts gave them, for files that do not say. */
const partLicenses: Record<PartName, string> = {
  diffusion: families["sd3.5-large"].license,
  clipL: "MIT",
  clipG: "MIT",
  t5xxl: "Apache-2.0",
  vae: families["sd3.5-large"].license,
  taesd: "MIT",
};

/** A checkpoint for people and programs to read. */
export function describe(checkpoint: Checkpoint, bytes: number): FileInspection {
  const { location, format, header, kind, size } = checkpoint;
  const parts = describeParts(checkpoint);
  const sum = (member: "parameters" | "bytes") => Object.values(parts).reduce((total, part) => total + part[member], 0);
  return {
    file: location,
    files: header?.files ?? [{ path: location, bytes }],
    format,
    kind: whatIs(checkpoint),
    family: checkpoint.family,
    layout: layoutOf(checkpoint),
    parts,
    ...(header && kind?.id === "lora" ? { lora: describeLora(header) } : {}),
    quantization: checkpoint.quantization?.kind,
    tensors: describeUses(checkpoint),
    parameters: sum("parameters"),
    bytes: header ? sum("bytes") : bytes,
    maxSide: size && maxSide(size.positions),
    license: licenseOf(checkpoint),
    option: kind ? undefined : optionOf(checkpoint),
    metadata: header?.metadata ?? {},
  };
}

function describeParts({ header, kind, parts }: Checkpoint): Record<string, InspectedPart> {
  if (!header) return {};
  if (kind) return { [kind.id === "unknown" ? "other" : kind.id]: totals(header.tensors) };
  const described = parts.map((part) => {
    const fault = findFault(part, header);
    return [part.name, { ...totals([...part.tensors.values()]), ...(fault === undefined ? {} : { fault }) }];
  });
  return Object.fromEntries(described);
}

function describeLora(header: Header): InspectedLora {
  const { changes, idle, homeless, fault } = readAdapter(header);
  const counts: Record<string, number> = {};
  for (const { place } of changes) counts[place.part] = (counts[place.part] ?? 0) + 1;
  const used = new Set(changes.flatMap(({ tensors }) => [...tensors.values()])).size;
  return { used, idle: idle.length, homeless: homeless.length, changes: counts, ...(fault === undefined ? {} : { fault }) };
}

/** Names that stand for all of a kind. */
const shownTensors = 3;

/** What becomes of the tensors of a model's parts; of other kinds, only what keeps them from being read. */
function describeUses({ used, idle, refused, parts }: Checkpoint): TensorUses | undefined {
  if (parts.length === 0 && !refused) return undefined;
  const first = (tensors: readonly TensorInfo[]) => tensors.slice(0, shownTensors).map(({ name }) => name);
  const without = [...(idle ?? [])].map(([reason, tensors]) => ({ reason, tensors: tensors.length, first: first(tensors) }));
  return {
    used: used ?? 0,
    withoutEffect: without,
    ...(refused && { refused: { reason: refusalText(refused), tensors: refused.tensors.length, first: first(refused.tensors) } }),
  };
}

function totals(tensors: readonly TensorInfo[]): InspectedPart {
  const types: Record<string, number> = {};
  for (const { type } of tensors) types[type] = (types[type] ?? 0) + 1;
  return {
    tensors: tensors.length,
    parameters: tensors.reduce((sum, { shape }) => sum + (elementsOf(shape) ?? 0), 0),
    bytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
    types,
  };
}

function layoutOf({ format, kind, parts }: Checkpoint): Layout {
  if (format === "checkpoint") return "unknown";
  if (kind) return "foreign";
  const [part] = parts;
  if (parts.length > 1 || !part) return "all-in-one";
  if (part.name === "diffusion" && part.naming === "original") return "diffusion-only";
  return part.naming === "original" ? "part" : part.naming;
}

function licenseOf({ header, parts, family }: Checkpoint): FileInspection["license"] {
  const keys = ["general.license.name", "general.license", "modelspec.license", "license"];
  const written = keys.map((key) => header?.metadata[key]).find((value) => typeof value === "string" && value !== "");
  if (written) return { name: written as string, source: "metadata" };
  if (family) return { name: families[family].license, source: "implied" };
  const [part] = parts;
  return part && { name: partLicenses[part.name], source: "implied" };
}
