import type { CommandModule } from "yargs";
import { formatBytes } from "../../errors.js";
import { estimateMemory } from "../../memory/estimate.js";
import { bounds } from "../../memory/shortage.js";
import { estimateModelOptions, estimatePictureOptions } from "../../options/index.js";
import type { EstimateOptions, MemoryEstimate } from "../../types/index.js";
import { flagsOf, readFlags, yargsOptions } from "../flags.js";
import { interruptible } from "../interrupt.js";
import { announceUnpulled, presetOrFile } from "../model.js";

const { preset: _preset, files: _files, ...modelTable } = estimateModelOptions;
const modelFlags = flagsOf(modelTable);
const pictureFlags = flagsOf(estimatePictureOptions);

interface Arguments extends Record<string, unknown> {
  files: string[];
  json: boolean;
}

export const estimate: CommandModule<object, Arguments> = {
  command: "estimate [files..]",
  describe: "Tell what memory a model and a picture take, and whether they fit",
  builder: (yargs) =>
    yargs
      .parserConfiguration({ "duplicate-arguments-array": true, "parse-positional-numbers": false }) // the files are one argument many times
      .positional("files", {
        type: "string",
        array: true,
        describe: "Files and folders of the model, or one by name as `npx node-sd-cpp models` lists them",
      })
      .options(yargsOptions(modelFlags, "Model:"))
      .options(yargsOptions(pictureFlags, "Picture:"))
      .option("json", { type: "boolean", default: false, describe: "Print JSON" })
      .example("$0 estimate models/ --width 1024 --height 1024", "a folder with the files")
      .example("$0 estimate sd3.5-medium", "a model by name, before it is pulled: its headers are read from the hub")
      .epilogue("Exit codes: 0 it fits, 1 it does not or failed, 2 usage, 130 interrupted.") as never,
  handler: async ({ files, json, ...argv }) => {
    const { model, ...given } = readFlags(modelFlags, argv) as EstimateOptions;
    const named = model === undefined ? {} : presetOrFile(model);
    const options = { ...chooseModel(files), ...given, ...named, ...readFlags(pictureFlags, argv) };
    if (options.preset !== undefined) await announceUnpulled(options.preset, options);
    const found = await interruptible((signal) => estimateMemory({ ...options, signal }));
    process.stdout.write(json ? `${JSON.stringify(found, undefined, 2)}\n` : text(found));
    if (!found.fits) process.exitCode = 1;
  },
};

function chooseModel(files: string[] = []): EstimateOptions {
  const [first] = files;
  if (first === undefined) return {};
  const { preset } = files.length === 1 ? presetOrFile(first, "") : {};
  return preset === undefined ? { files } : { preset };
}

/** What a person reads. */
export function text({ width, height, batchCount, parts, other, devices, suggestions }: MemoryEstimate): string {
  const rows = Object.entries(parts).map(([name, { weights, compute, device, weightsDevice }]) => {
    const place = weightsDevice === device ? device : `${device}, weights on ${weightsDevice}`;
    return [name, formatBytes(weights), compute ? formatBytes(compute) : "", place];
  });
  const table = [["part", "weights", "compute", "device"], ...rows, ["other", "", formatBytes(other), "cpu"]];
  const lines = table.map(([name = "", weights = "", compute = "", place = ""]) => {
    return `${name.padEnd(10)} ${weights.padStart(10)} ${compute.padStart(10)}  ${place}`;
  });
  const verdicts = Object.entries(devices).map(([device, { peak, mapped, available, bound, fits }]) => {
    const ofFiles = mapped ? ` (${formatBytes(mapped)} of mapped files)` : "";
    return `${device}: ${formatBytes(peak)} at the peak${ofFiles}, ${formatBytes(available)} ${bounds[bound]}: ${fits ? "fits" : "does not fit"}`;
  });
  const help = suggestions.map((suggestion) => {
    return `  ${suggestion.text} saves ${formatBytes(suggestion.saves)}${suggestion.fits ? ", and it fits" : ""}`;
  });
  const pictures = batchCount > 1 ? `${batchCount} pictures` : "a picture";
  return `${[`${pictures} of ${width}x${height}`, "", ...lines, "", ...verdicts, ...(help.length ? ["what helps:", ...help] : [])].join("\n")}\n`;
}
