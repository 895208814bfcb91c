import { access, constants } from "node:fs/promises";
import path from "node:path";
import type { CommandModule } from "yargs";
import { listDevices } from "../../devices.js";
import { InvalidOptionError, NoBinaryError } from "../../errors.js";
import { compile } from "../compile.js";
import { interruptible } from "../interrupt.js";
import { createProgress } from "../progress.js";

interface Arguments {
  backend?: string;
  quiet: boolean;
  verbose: boolean;
}

const root = path.join(__dirname, "..", "..", "..");
const backends = ["cpu", "cuda", "vulkan", "metal"];

/** "cuda,vulkan", checked. */
function readBackends(text: string): string {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !backends.includes(name));
  if (unknown === undefined) return names.join(",");
  throw new InvalidOptionError("backend", `expected a list of ${backends.join(", ")}, such as cuda,vulkan, received "${text}"`);
}

export const build: CommandModule<object, Arguments> = {
  command: "build",
  describe: "Build the addon from source, for this machine",
  builder: (yargs) =>
    yargs
      .options({
        backend: {
          alias: "b",
          type: "string",
          requiresArg: true,
          describe: `GPU backends beside the CPU, of ${backends.slice(1).join(", ")}; a list: cuda,vulkan`,
          defaultDescription: "SDCPP_BACKENDS, else none",
        },
        quiet: { alias: "q", type: "boolean", default: false, describe: "No progress" },
        verbose: { alias: "v", type: "boolean", default: false, describe: "Show all that the build prints" },
      })
      .epilogue(
        "Needs cmake, a C++17 compiler and cargo, which fetches the engine's source; CUDA's or Vulkan's tools for these; npm fetches the rest. About 11 minutes of processor time. What was built is used instead of a prebuild. Ctrl-C stops it and leaves what there was; the same command goes on from there.",
      )
      .example("$0 build --backend vulkan", "") as never,
  handler: async ({ backend, quiet, verbose }) => {
    const list = backend === undefined ? process.env.SDCPP_BACKENDS : readBackends(backend);
    await access(root, constants.W_OK).catch((cause) => {
      throw new NoBinaryError(`${root} cannot be written to: build as the user who has installed the package.`, { cause });
    });
    const progress = createProgress({ quiet, verbose });
    const print = (line: string) => process.stderr.write(`${line}\n`);
    const show = { line: verbose ? print : undefined, step: verbose ? undefined : progress.update.bind(progress) };
    if (!quiet) print("Fetches the engine's source and what else is missing, then compiles.");
    try {
      await interruptible((signal) => compile(root, list, show, signal));
    } finally {
      progress.pause();
    }
    const devices = await listDevices(); // it loads
    process.stdout.write(`${path.join(root, "build", "Release", "node-sd-cpp.node")}\n`);
    if (!quiet) print(`It computes on: ${devices.map(({ id, name }) => `${id} (${name})`).join(", ")}`);
  },
};
