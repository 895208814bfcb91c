import type { CommandModule } from "yargs";
import { findModel, isAccepted, licenses, licenseText, pull as pullModel, pullOptions } from "../../models.js";
import type { PullOptions } from "../../types/index.js";
import { createDownloads } from "../downloads.js";
import { flagsOf, readFlags, yargsOptions } from "../flags.js";
import { interruptible } from "../interrupt.js";
import { ask, type Terminal, terminal } from "../question.js";

const flags = flagsOf(pullOptions);

interface Arguments extends Record<string, unknown> {
  id: string;
  json: boolean;
  quiet: boolean;
}

export const pull: CommandModule<object, Arguments> = {
  command: "pull <id>",
  describe: "Download a model with text encoders and VAE, or go on with it",
  builder: (yargs) =>
    yargs
      .positional("id", { type: "string", describe: "The model, as `npx node-sd-cpp models` lists them" })
      .options(yargsOptions(flags, "Options:"))
      .options({
        json: { type: "boolean", default: false, describe: "Print one JSON event per line on stdout" },
        quiet: { alias: "q", type: "boolean", default: false, describe: "No progress" },
      })
      .example("$0 pull sd3.5-medium", "the recommended quantization")
      .example("$0 pull sd3.5-medium:q4_k_m --accept-license", "without a question")
      .epilogue(
        "The files go to models/ in the cache folder, SDCPP_HOME. HF_ENDPOINT (another server), HF_TOKEN (for gated models), HTTPS_PROXY and NO_PROXY are followed. Ctrl-C keeps what has come; the same command goes on from there.",
      ) as never,
  handler: (argv) => interruptible((signal) => run(argv, signal)),
};

async function run({ id, json, quiet, ...argv }: Arguments, signal: AbortSignal): Promise<void> {
  const options = readFlags(flags, argv) as PullOptions;
  const asked = terminal();
  if (asked && !options.acceptLicense) options.acceptLicense = await askForLicense(id, signal, asked);
  const downloads = createDownloads(quiet || json);
  const printJson = (event: object) => process.stdout.write(`${JSON.stringify(event)}\n`);
  try {
    const pulled = await pullModel(id, { ...options, signal, onProgress: json ? printJson : (event) => downloads.update(event) });
    downloads.stop();
    if (json) printJson({ type: "result", ...pulled });
    else {
      process.stdout.write(`${Object.values(pulled.files).join("\n")}\n`);
      if (!quiet) process.stderr.write(`${pulled.id} is ready: npx node-sd-cpp generate "a lighthouse" --model ${pulled.id}\n`);
    }
  } finally {
    downloads.stop();
  }
}

/** Shows the license and asks, if there is something to accept; without a yes, `pull` says what is missing. */
export async function askForLicense(id: string, signal: AbortSignal, asked: Terminal): Promise<boolean> {
  const model = findModel(id);
  const license = model && licenses[model.file.license];
  if (!license || (await isAccepted(license))) return false;
  asked.output.write(`${licenseText(license)}\n\n`);
  return /^yes$/i.test(await ask('Do you accept it? Type "yes": ', signal, asked));
}
