import path from "node:path";
import type { CommandModule } from "yargs";
import { InvalidOptionError } from "../../errors.js";
import { interruptible } from "../interrupt.js";
import { ask, terminal } from "../question.js";
import { appFiles, templates, writeApp } from "../templates.js";

interface Arguments {
  folder?: string;
  template?: string;
  quiet: boolean;
}

export const init: CommandModule<object, Arguments> = {
  command: "init [folder]",
  describe: "Write a small app that draws, in TypeScript",
  builder: (yargs) =>
    yargs
      .positional("folder", { type: "string", describe: "A new or empty folder" })
      .options({
        template: {
          alias: "t",
          type: "string",
          requiresArg: true,
          choices: templates().map(({ name }) => name),
          describe: "What to write; without it, a terminal is asked",
        },
        quiet: { alias: "q", type: "boolean", default: false, describe: "Do not say what to do next" },
      })
      .example("$0 init my-app --template express", "a server that streams pictures while they are drawn")
      .epilogue(`Templates:\n${list()}`) as never,
  handler: ({ folder, template, quiet }) =>
    interruptible(async (signal) => {
      if (!folder) throw new InvalidOptionError("folder", "name one, as in npx node-sd-cpp init my-app --template node");
      const chosen = template ?? (await choose(signal));
      await writeApp(await appFiles(chosen, folder), folder);
      process.stdout.write(`${folder}\n`);
      if (!quiet) process.stderr.write(next(folder));
    }),
};

function list(): string {
  return templates()
    .map(({ name, description }) => `  ${name.padEnd(10)}${description}`)
    .join("\n");
}

async function choose(signal: AbortSignal): Promise<string> {
  const names = templates().map(({ name }) => name);
  const asked = terminal();
  if (!asked) throw new InvalidOptionError("template", `name one:\n${list()}`);
  asked.output.write(`${list()}\n`);
  const answer = await ask("Which template? ", signal, asked);
  if (!names.includes(answer)) throw new InvalidOptionError("template", `expected one of ${names.join(", ")}, received "${answer}"`);
  return answer;
}

function next(folder: string): string {
  const move = path.resolve(folder) === process.cwd() ? "" : `  cd ${/^[\w./~-]+$/.test(folder) ? folder : JSON.stringify(folder)}\n`;
  return `Next:\n${move}  npm install\n  npm start\nREADME.md there says more.\n`;
}
