import { existsSync } from "node:fs";
import type { CommandModule } from "yargs";
import { formatBytes } from "../../errors.js";
import { inspectModel } from "../../inspect.js";
import { inspectOptions } from "../../options/index.js";
import type { FileInspection, InspectedLora, InspectedPart, InspectProgress, MissingPart, ModelInspection } from "../../types/index.js";
import { flagName, flagsOf, readFlags, yargsOptions } from "../flags.js";
import { interruptible } from "../interrupt.js";
import { announceUnpulled } from "../model.js";

const flags = flagsOf(inspectOptions);

interface Arguments extends Record<string, unknown> {
  files: string[];
  json: boolean;
  quiet: boolean;
}

export const inspect: CommandModule<object, Arguments> = {
  command: "inspect <files..>",
  describe: "Tell what model files are, and what is missing beside them",
  builder: (yargs) =>
    yargs
      .parserConfiguration({ "duplicate-arguments-array": true, "parse-positional-numbers": false }) // the files are one argument many times
      .positional("files", {
        type: "string",
        array: true,
        describe: "Files, folders, https URLs, or models by name as `npx node-sd-cpp models` lists them",
      })
      .options(yargsOptions(flags, "Options:"))
      .options({
        json: { type: "boolean", default: false, describe: "Print JSON" },
        quiet: { alias: "q", type: "boolean", default: false, describe: "No progress" },
      })
      .example("$0 inspect sd3.5_medium-Q4_K_M.gguf", "one file")
      .example("$0 inspect models/", "a folder: which file is which, and what is missing")
      .example("$0 inspect sd3.5-medium", "a model by name, before it is pulled: its headers are read from the hub") as never,
  handler: async ({ files, json, quiet, ...argv }) => {
    for (const file of files) if (!quiet && !existsSync(file)) await announceUnpulled(file);
    const report = quiet || !process.stderr.isTTY ? undefined : showProgress;
    const found = await interruptible((signal) => inspectModel(files, { ...readFlags(flags, argv), signal, onProgress: report }));
    process.stdout.write(json ? `${JSON.stringify(found, undefined, 2)}\n` : text(found));
  },
};

function showProgress({ file, bytes, total }: InspectProgress): void {
  process.stderr.write(`\r${Math.floor((100 * bytes) / total)}% of ${file}${bytes === total ? "\n" : ""}`);
}

/** What a person reads. */
export function text(found: ModelInspection): string {
  const sections = found.files.map(fileText);
  const alone = found.files.length === 1 && found.files[0]?.option === undefined;
  if (!alone) sections.push(modelText(found));
  return `${sections.join("\n\n")}\n`;
}

function fileText(file: FileInspection): string {
  const { kind, format, files, parts, lora, quantization, tensors, maxSide, license, option, layout, metadata } = file;
  const bytes = files.reduce((sum, part) => sum + part.bytes, 0);
  const split = files.length > 1 ? `, ${files.length} files` : "";
  const names = Object.entries(parts);
  const lines: [string, string | undefined][] = [
    ["is", `${kind} (${layout})`],
    ["title", typeof metadata["general.name"] === "string" ? metadata["general.name"] : undefined],
    ["format", `${format}, ${formatBytes(bytes)}${split}`],
    ...names.map(([name, part]): [string, string] => [name, partText(part)]),
    ...names.map(([name, { fault }]): [string, string | undefined] => ["fault", fault && `${name} ${fault}`]),
    ["changes", lora && loraText(lora)],
    ["fault", lora?.fault && `it is refused: ${lora.fault}`],
    ["scales", quantization],
    ...(tensors?.withoutEffect ?? []).map(({ reason, tensors: count, first }): [string, string] => {
      return ["unused", `${count} without effect (${reason}): ${first.join(", ")}${count > first.length ? ", …" : ""}`];
    }),
    ["refused", tensors?.refused && `it ${tensors.refused.reason}`],
    ["pictures", maxSide ? `up to ${maxSide} x ${maxSide}` : undefined],
    ["license", license && `${license.name} (${license.source === "metadata" ? "says the file" : "implied by its kind"})`],
    ["option", option && `${option} (--${flagName(option)})`],
    ...files.map(({ sha256 }): [string, string | undefined] => ["sha256", sha256]),
  ];
  return [file.file, ...lines.flatMap(([name, value]) => (value ? [`  ${name.padEnd(10)}${value}`] : []))].join("\n");
}

function partText({ parameters, bytes, types }: InspectedPart): string {
  const counts = Object.entries(types)
    .sort(([, a], [, b]) => b - a)
    .map(([type, count]) => `${count} ${type}`);
  return `${count(parameters)} parameters, ${formatBytes(bytes)}: ${counts.join(", ")}`;
}

function loraText({ used, idle, homeless, changes }: InspectedLora): string {
  const changed = Object.entries(changes).map(([part, tensors]) => `${tensors} of ${part}`);
  const counts = [`${used} tensors used`, `${idle} without effect`, `${homeless} for modules that Stable Diffusion 3 does not have`];
  return `${counts.join(", ")}${changed.length ? `; changes ${changed.join(", ")}` : ""}`;
}

function modelText({ options, ignored, missing, loadable, problem, parameters, bytes }: ModelInspection): string {
  const flagged = Object.entries(options).map(([option, file]) => `  --${flagName(option)} ${file}`);
  return [
    `together: ${count(parameters)} parameters, ${formatBytes(bytes)}`,
    ...flagged,
    ...ignored.map(({ file, reason }) => `  (${file} ${reason})`),
    ...missing.map((part) => `  ${part.required ? "missing" : "optional"}: ${missingText(part)}`),
    loadable ? "  complete" : `  not complete: ${problem}`,
  ].join("\n");
}

function missingText({ part, file, repository, bytes = 0 }: MissingPart): string {
  return file ? `${part}, for example ${file} of ${repository} (${formatBytes(bytes)})` : part;
}

/** 2469663936 → "2.47 billion" */
function count(parameters: number): string {
  const words = ["", " thousand", " million", " billion"];
  const power = Math.min(3, Math.max(0, Math.floor(Math.log10(Math.max(parameters, 1)) / 3)));
  return `${power ? (parameters / 1000 ** power).toPrecision(3) : parameters}${words[power]}`;
}
