import type { CommandModule } from "yargs";
import { type HandlerOptions, serveMcp, serverOptions } from "../../server/index.js";
import { flagsOf, readFlags, yargsOptions } from "../flags.js";
import { Interrupted, interruptible } from "../interrupt.js";
import { readServed, type ServedArguments, servedFlags } from "../served.js";

const { allowedHosts: _hosts, corsOrigins: _origins, basePath: _path, apiKeys: _keys, ...options } = serverOptions;
const flags = flagsOf(options);

/** What help shows without --all. */
const everyday = new Set("models-dir lora-dir upscaler-dir output-dir".split(" "));

interface Arguments extends ServedArguments {
  quiet: boolean;
}

export const mcp: CommandModule<object, Arguments> = {
  command: "mcp [files..]",
  describe: "Draw for a language model's program (MCP over stdin and stdout)",
  builder: (yargs) =>
    servedFlags(yargs)
      .options(yargsOptions(flags, "Server:", everyday))
      .option("quiet", { alias: "q", type: "boolean", default: false, describe: "No log on stderr" })
      .group(["quiet"], "Server:")
      .showHidden("all", "Show all options")
      .example("$0 mcp --model sd3.5-medium --output-dir ~/Pictures", "for the configuration of an MCP client")
      .epilogue("Over HTTP: sdcpp serve has it at /mcp.") as never,
  handler: async (argv) => {
    const onLog = (line: string) => process.stderr.write(`${line}\n`);
    const given = readFlags(flags, argv) as HandlerOptions;
    await interruptible(async (signal) => {
      await serveMcp({ ...given, ...readServed(argv), ...(argv.quiet ? {} : { onLog }), signal });
      if (signal.aborted && !(signal.reason instanceof Interrupted)) throw signal.reason; // nobody reads stdout
    });
  },
};
