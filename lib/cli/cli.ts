#!/usr/bin/env node
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { InvalidOptionError, SdcppError } from "../errors.js";
import { suggestion } from "../options/check.js";
import { estimatePictureOptions, generateOptions, modelOptions, upscaleOptions, upscalerOptions } from "../options/index.js";
import { build } from "./commands/build.js";
import { convert } from "./commands/convert.js";
import { devices } from "./commands/devices.js";
import { estimate } from "./commands/estimate.js";
import { generate } from "./commands/generate.js";
import { init } from "./commands/init.js";
import { inspect } from "./commands/inspect.js";
import { mcp } from "./commands/mcp.js";
import { models } from "./commands/models.js";
import { pull } from "./commands/pull.js";
import { reproduce } from "./commands/reproduce.js";
import { serve } from "./commands/serve.js";
import { upscale } from "./commands/upscale.js";
import { flagName, flagsOf } from "./flags.js";
import { Interrupted, mindReaders, ReaderLeft } from "./interrupt.js";
import { documented, pageAddress } from "./pages.js";

const exit = { failed: 1, usage: 2, interrupted: 130 };

/** A command line that yargs refuses; its parser throws errors of its own, named YError. */
class UsageError extends Error {}

/** A command alone shows its help; `-v` is the version where it is no command's `--verbose`. */
function argumentsOf(given: string[]): string[] {
  if (given.length === 0) return ["--help"];
  return given.length === 1 && given[0] === "-v" ? ["--version"] : given;
}

async function main(): Promise<void> {
  mindReaders();
  const root = yargs(argumentsOf(hideBin(process.argv)))
    .scriptName("sdcpp")
    .usage("$0 <command>\n\nStable Diffusion 3.5 on this machine.")
    .parserConfiguration({
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "duplicate-arguments-array": false,
      "dot-notation": false,
    })
    .command(documented(generate, "guide.md"))
    .command(documented(inspect, "files.md#inspecting"))
    .command(documented(pull, "models.md"))
    .command(documented(models, "models.md"))
    .command(documented(estimate, "memory.md"))
    .command(documented(devices, "install.md#gpus"))
    .command(documented(convert, "guide.md#quantize"))
    .command(documented(reproduce, "guide.md#draw-a-picture-again"))
    .command(documented(upscale, "guide.md#upscaling"))
    .command(documented(serve, "server.md"))
    .command(documented(mcp, "server-mcp.md"))
    .command(documented(init, "reference.md#command-line"))
    .command(documented(build, "install.md#building-from-source"))
    .completion("completion", "Print a script for bash or zsh that completes commands and options")
    .strict()
    .recommendCommands()
    .demandCommand(1, "Name a command.")
    .alias("h", "help")
    .epilogue(`Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted. More: ${pageAddress("reference.md#command-line")}`)
    .fail((message, error) => {
      throw error ?? new UsageError(message);
    });
  await root.wrap(Math.min(140, root.terminalWidth())).parseAsync();
}

/** Prints what went wrong; returns the exit code. */
function report(error: unknown): number {
  const print = (text: string) => process.stderr.write(`${text}\n`);
  if (error instanceof ReaderLeft) return 0;
  if (error instanceof Interrupted) {
    print(error.message);
    return exit.interrupted;
  }
  if (error instanceof InvalidOptionError) {
    const { path } = error;
    const asItIs = ["", "prompt", "id", "folder"].includes(path) || path === path.toUpperCase(); // no flags: arguments, and variables of the environment
    print(`${asItIs ? path : `--${flagName(path)}`}${path && ": "}${error.detail}`);
    return exit.usage;
  }
  if (error instanceof UsageError || (error instanceof Error && error.name === "YError")) {
    print(`${error.message}${nearFlag(error.message)}\nSee npx node-sd-cpp --help.`);
    return exit.usage;
  }
  if (error instanceof SdcppError)
    print([`${error.message} (${error.code})`, ...error.log.map((line) => `  ${line.trimEnd()}`)].join("\n"));
  else print(error instanceof Error ? error.message : String(error));
  return exit.failed;
}

function nearFlag(message: string): string {
  const unknown = /^Unknown arguments?: ([^,]+)/.exec(message)?.[1];
  if (!unknown) return "";
  if (unknown === "preset") return "; did you mean --model?"; // the option's name in programs
  const tables = [modelOptions, generateOptions, estimatePictureOptions, upscalerOptions, upscaleOptions];
  const names = tables.flatMap((table) => flagsOf(table)).map(({ name }) => `--${name}`);
  return suggestion(unknown, names);
}

main().catch((error: unknown) => {
  process.exitCode = report(error);
});
