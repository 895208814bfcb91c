import { readFileSync } from "node:fs";
import type { CommandModule } from "yargs";
import { InvalidOptionError } from "../../errors.js";
import { listenOptions, type ServeOptions, serverOptions, serve as startServer } from "../../server/index.js";
import { openInBrowser } from "../browser.js";
import { flagsOf, readFlags, yargsOptions } from "../flags.js";
import { interruptible } from "../interrupt.js";
import { readServed, type ServedArguments, servedFlags } from "../served.js";

const serverFlags = flagsOf({ ...listenOptions, ...serverOptions });

/** What help shows without --all. */
const everyday = new Set(
  "host port models-dir lora-dir upscaler-dir output-dir max-queue page allow-delete allow-pull cors-origins allowed-hosts insecure".split(
    " ",
  ),
);

interface Arguments extends ServedArguments {
  "api-key"?: string[];
  "api-key-file"?: string;
  quiet: boolean;
  open: boolean;
}

export const serve: CommandModule<object, Arguments> = {
  command: "serve [files..]",
  describe: "Draw for other programs over HTTP",
  builder: (yargs) =>
    servedFlags(yargs)
      .options(yargsOptions(serverFlags, "Server:", everyday))
      .options({
        "api-key": {
          type: "string",
          array: true,
          requiresArg: true,
          describe: "Key that clients have to send; several are several clients. The variable SDCPP_API_KEY takes one too",
        },
        "api-key-file": { type: "string", requiresArg: true, describe: "File with keys, one a line" },
        open: { type: "boolean", default: false, describe: "Open the page in the browser" },
        quiet: { alias: "q", type: "boolean", default: false, describe: "Print the address alone" },
      })
      .alias({ "cors-origins": "cors-origin", "allowed-hosts": "allowed-host" })
      .group(["api-key", "api-key-file", "open", "quiet"], "Server:")
      .showHidden("all", "Show all options")
      .example("$0 serve --open", "the demo at http://127.0.0.1:7860, with its page in the browser")
      .example("$0 serve --model sd3.5-medium --host 0.0.0.0 --api-key-file keys.txt", "for a network") as never,
  handler: async (argv) => {
    const options: ServeOptions = {
      ...(readFlags(serverFlags, argv) as ServeOptions),
      ...readServed(argv),
      apiKeys: readKeys(argv),
      ...(argv.quiet ? {} : { onLog: (line: string) => process.stderr.write(`${line}\n`) }),
    };
    await interruptible(async (signal) => {
      await using server = await startServer(options);
      const greeting = await welcome(options, server.handler); // a model that is not there shows here, before anybody is told the address
      process.stdout.write(`${server.url}\n`);
      if (argv.open) openInBrowser(pageOf(server.url));
      if (!argv.quiet) process.stderr.write(`${greeting}\n`);
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      const { running, waiting } = server.handler.work();
      if (running + waiting > 0 && !argv.quiet)
        process.stderr.write(`Finishing ${running + waiting} job${running + waiting > 1 ? "s" : ""}; Ctrl-C again ends at once.\n`);
      await server.drain();
    });
  },
};

/** A server that listens on all addresses is seen at this machine's own. */
function pageOf(url: string): string {
  return `${url.replace(/\/\/(0\.0\.0\.0|\[::\]):/, "//localhost:")}/`;
}

function readKeys({ "api-key": given = [], "api-key-file": file }: Arguments): string[] {
  const fromEnvironment = process.env.SDCPP_API_KEY;
  const keys = [...given, ...(fromEnvironment ? [fromEnvironment] : [])];
  if (file === undefined) return keys;
  try {
    const lines = readFileSync(file, "utf8")
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"));
    if (lines.length === 0) throw new Error("it has none");
    return [...keys, ...lines];
  } catch (error) {
    throw new InvalidOptionError("apiKeyFile", `expected a file with a key a line: ${(error as Error).message}`);
  }
}

/** What it can do, for whoever has started it. */
async function welcome({ apiKeys = [], outputDir, page = true }: ServeOptions, handler: { models(): Promise<string[]> }): Promise<string> {
  const shown = apiKeys.length === 1 ? "asked for" : `asked for; ${apiKeys.length} are known`;
  return [
    ...(page ? ["Page: open the address above in a browser (--open does it)"] : []),
    `Models: ${(await handler.models()).join(", ")}`,
    `Key: ${apiKeys.length > 0 ? shown : "none asked for"}`,
    `Pictures: ${outputDir ?? "in memory for a while (--output-dir keeps them)"}`,
    "Ctrl-C ends it when what it has taken is drawn.",
  ].join("\n");
}
