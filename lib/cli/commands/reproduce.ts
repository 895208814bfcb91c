import type { CommandModule } from "yargs";
import { InvalidOptionError } from "../../errors.js";
import { loadModel } from "../../model.js";
import { modelOptions } from "../../options/index.js";
import { formatOf } from "../../picture/image.js";
import { type FieldChange, readPicture, reproduce as redraw } from "../../reproduce.js";
import type { ImageParameters, ModelOptions } from "../../types/index.js";
import { flagsOf, readFlags, yargsOptions } from "../flags.js";
import { interruptible } from "../interrupt.js";
import { modelDescription, presetOrFile } from "../model.js";
import { createProgress } from "../progress.js";

const { preset: _preset, ...modelTable } = modelOptions;
const modelFlags = flagsOf(modelTable);

interface Arguments extends Record<string, unknown> {
  image?: string;
  output?: string;
  json: boolean;
  quiet: boolean;
  verbose: boolean;
}

export const reproduce: CommandModule<object, Arguments> = {
  command: "reproduce <image>",
  describe: "Draw a picture again from its parameters, and compare the pixels",
  builder: (yargs) =>
    yargs
      .positional("image", { type: "string", describe: "Picture with its parameters inside; without loss, as a PNG" })
      .options(yargsOptions(modelFlags, "Model:"))
      .option("model", {
        describe: modelDescription,
        defaultDescription: "the picture's preset",
      })
      .options({
        output: { alias: "o", type: "string", requiresArg: true, describe: "File for the new picture" },
        json: { type: "boolean", default: false, describe: "Print the comparison as JSON" },
        quiet: { alias: "q", type: "boolean", default: false, describe: "No progress" },
        verbose: { alias: "v", type: "boolean", default: false, describe: "Show the engine's log" },
      })
      .group(["output", "json", "quiet", "verbose"], "Output:")
      .epilogue("Exit codes: 0 every pixel is equal, 1 different or failed, 2 usage, 130 interrupted.") as never,
  handler: async (argv) => {
    if (argv.output !== undefined) formatOf(argv.output);
    const identical = await interruptible((signal) => run(argv, signal));
    if (!identical) process.exitCode = 1;
  },
};

async function run(argv: Arguments, signal: AbortSignal): Promise<boolean> {
  const file = argv.image as string;
  const options = chooseModel(readFlags(modelFlags, argv), await readPicture(file));
  const progress = createProgress(argv);
  try {
    const onLog: ModelOptions["onLog"] = ({ level, text }) => {
      if (argv.verbose) process.stderr.write(`[${level}] ${text.trimEnd()}\n`);
    };
    await using model = await loadModel({ ...options, signal, onLog, onProgress: (event) => progress.update(event) });
    const { image, ...comparison } = await redraw(file, model, { signal });
    progress.pause();
    if (argv.output !== undefined) await image.toFile(argv.output);
    if (argv.json) process.stdout.write(`${JSON.stringify({ ...comparison, output: argv.output })}\n`);
    else print(comparison);
    return comparison.identical;
  } finally {
    progress.pause();
  }
}

/** The given model, else the preset that drew the picture; loaded as it was then, unless a flag says otherwise. */
function chooseModel(given: Record<string, unknown>, drawn: ImageParameters): ModelOptions {
  const { rng, weightType, flashAttention } = drawn;
  const then = Object.fromEntries(Object.entries({ rng, weightType, flashAttention }).filter(([, value]) => value !== undefined));
  const { model = given.diffusionModel === undefined && given.files === undefined ? drawn.model : undefined, ...others } = given;
  const chosen = model === undefined ? {} : presetOrFile(model as string);
  if (chosen.preset !== undefined) return { ...then, ...others, ...chosen };
  if (given.model === undefined && given.diffusionModel === undefined && given.files === undefined) {
    const name = drawn.model === undefined ? "a model that its text does not name" : `"${drawn.model}"`;
    throw new InvalidOptionError("model", `the picture was made with ${name}; give its files by the flags of npx node-sd-cpp generate`);
  }
  return { ...then, ...others, ...chosen };
}

function print(comparison: {
  identical: boolean;
  pixels: number;
  differingPixels: number;
  largestDifference: number;
  changes: FieldChange[];
  notices: string[];
}): void {
  const { identical, pixels, differingPixels, largestDifference, changes, notices } = comparison;
  process.stdout.write(
    identical
      ? `identical: all ${pixels} pixels\n`
      : `different: ${differingPixels} of ${pixels} pixels, by at most ${largestDifference} of 255\n`,
  );
  for (const notice of notices) process.stderr.write(`cannot be equal: ${notice}\n`);
  for (const { field, before = "(none)", now = "(none)" } of changes) process.stderr.write(`${field}: was ${before}, is ${now}\n`);
}
