import type { CommandModule } from "yargs";
import { convert as convertFile } from "../../convert.js";
import { convertOptions } from "../../options/index.js";
import type { ConvertOptions, LogEvent } from "../../types/index.js";
import { flagsOf, readFlags, yargsOptions } from "../flags.js";
import { interruptible } from "../interrupt.js";
import { createProgress } from "../progress.js";

const { input, ...table } = convertOptions;
const flags = flagsOf(table);

interface Arguments extends Record<string, unknown> {
  input?: string;
  json: boolean;
  quiet: boolean;
  verbose: boolean;
}

export const convert: CommandModule<object, Arguments> = {
  command: "convert <input>",
  describe: "Write a GGUF file with weights of another type",
  builder: (yargs) =>
    yargs
      .positional("input", { type: "string", describe: input?.description })
      .options(yargsOptions(flags, "Options:"))
      .alias("o", "output")
      .options({
        json: { type: "boolean", default: false, describe: "Print the result as JSON" },
        quiet: { alias: "q", type: "boolean", default: false, describe: "No progress" },
        verbose: { alias: "v", type: "boolean", default: false, describe: "Show the engine's log" },
      })
      .example("$0 convert sd3.5_medium.safetensors -o sd3.5_medium-q4_k.gguf --type q4_k", "") as never,
  handler: async (argv) => {
    const options = { ...readFlags(flags, argv), input: argv.input } as ConvertOptions;
    const progress = createProgress(argv);
    const onLog = ({ level, text }: LogEvent) => {
      if (argv.verbose) process.stderr.write(`[${level}] ${text.trimEnd()}\n`);
    };
    try {
      const work = (signal: AbortSignal) => convertFile({ ...options, signal, onLog, onProgress: (event) => progress.update(event) });
      const result = await interruptible(work);
      progress.pause();
      process.stdout.write(`${argv.json ? JSON.stringify(result) : result.output}\n`);
      if (!argv.quiet && !argv.json) {
        const types = Object.entries(result.tensors).map(([type, count]) => `${count} ${type}`);
        process.stderr.write(`${(result.bytes / 1e6).toFixed(1)} MB: ${types.join(", ")} tensors\n`);
      }
    } finally {
      progress.pause();
    }
  },
};
