import path from "node:path";
import type { CommandModule } from "yargs";
import { checkOptions } from "../../options/check.js";
import { upscaleOptions, upscalerOptions } from "../../options/index.js";
import type { UpscaleOptions, UpscalerOptions } from "../../types/index.js";
import { upscale as upscaleImage } from "../../upscaler.js";
import { flagsOf, readFlags, yargsOptions } from "../flags.js";
import { interruptible } from "../interrupt.js";
import { createOutput } from "../output.js";
import { createProgress } from "../progress.js";

const table = { ...upscalerOptions, ...upscaleOptions };
const flags = flagsOf(table);

interface Arguments extends Record<string, unknown> {
  image: string;
  output?: string;
  quiet: boolean;
}

export const upscale: CommandModule<object, Arguments> = {
  command: "upscale <image>",
  describe: "Enlarge a picture with an ESRGAN network",
  builder: (yargs) =>
    yargs
      .positional("image", { type: "string", describe: "The picture's file" })
      .options(yargsOptions(flags, "Upscaler:"))
      .options({
        output: {
          alias: "o",
          type: "string",
          requiresArg: true,
          describe: "File (.png, .jpg, .webp, .avif)",
          defaultDescription: "<image>-upscaled.png",
        },
        quiet: { alias: "q", type: "boolean", default: false, describe: "No progress" },
      })
      .group(["output", "quiet"], "Output:")
      .example("$0 upscale lighthouse.png --model RealESRGAN_x4plus.pth -o large.png", "four times the width and height") as never,
  handler: async ({ image, output, quiet, ...argv }) => {
    const options = readFlags(flags, argv);
    checkOptions(table, options); // mistakes show before the network loads
    const { name } = path.parse(image);
    const file = output ?? `${name}-upscaled.png`;
    createOutput(file, ""); // refuses a missing folder or another ending
    const progress = createProgress({ quiet, verbose: false });
    await interruptible(async (signal) => {
      try {
        const onProgress: UpscaleOptions["onProgress"] = (event) => progress.update(event);
        const enlarged = await upscaleImage(image, { ...(options as unknown as UpscalerOptions), signal, onProgress });
        progress.pause();
        await enlarged.toFile(file);
        process.stdout.write(`${file}\n`);
      } finally {
        progress.pause();
      }
    });
  },
};
