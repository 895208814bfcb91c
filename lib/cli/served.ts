import type { Argv } from "yargs";
import { fileOptions, modelOptions } from "../options/index.js";
import { type HandlerOptions, loadTable } from "../server/index.js";
import type { ModelOptions } from "../types/index.js";
import { flagsOf, readFlags, yargsOptions } from "./flags.js";
import { modelDescription, presetOrFile } from "./model.js";

/** Which model a server draws with, and how models are loaded: the same for every command that serves. */

const { model: _model, ...partOptions } = fileOptions;
const fileFlags = flagsOf({ ...partOptions, family: modelOptions.family as never });
const loadFlags = flagsOf(loadTable);
/** What help shows without --all. */
const everyday = new Set(["backend", "threads"]);

export interface ServedArguments extends Record<string, unknown> {
  files?: string[];
  model?: string;
}

export function servedFlags(yargs: Argv): Argv {
  return yargs
    .positional("files", { type: "string", array: true, describe: "Files or folders of the default model" })
    .option("model", { alias: "m", type: "string", requiresArg: true, describe: modelDescription, defaultDescription: "demo" })
    .options(yargsOptions(fileFlags, "Model:", everyday))
    .options(yargsOptions(loadFlags, "Model:", everyday))
    .group(["model"], "Model:");
}

export function readServed(argv: ServedArguments): Pick<HandlerOptions, "model" | "load"> {
  return { model: chooseModel(argv), load: readFlags(loadFlags, argv) };
}

/** Undefined without any: the first of the models' folder, else the demo. */
function chooseModel(argv: ServedArguments): ModelOptions | undefined {
  const parts = readFlags(fileFlags, argv) as ModelOptions;
  const { files = [], model } = argv;
  if (files.length === 0 && model === undefined && Object.keys(parts).length === 0) return undefined;
  return { ...parts, ...(files.length > 0 ? { files } : {}), ...(model === undefined ? {} : presetOrFile(model)) };
}
