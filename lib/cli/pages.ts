import path from "node:path";
import type { CommandModule } from "yargs";

const { homepage } = require(path.join(__dirname, "..", "..", "package.json")) as { homepage?: string };

/** Where a page of docs/ is: below the homepage in package.json, else by its name. */
export function pageAddress(page: string, home = homepage): string {
  if (!home) return `docs/${page}`;
  const base = home.replace(/[#?].*$/, "").replace(/\/$/, "");
  return /^https:\/\/github\.com\/[^/]+\/[^/]+$/.test(base) ? `${base}/blob/main/docs/${page}` : `${base}/docs/${page}`;
}

/** The command with the address of its page as the last line of its help. */
export function documented<T>(command: CommandModule<object, T>, page: string): CommandModule<object, T> {
  const { builder } = command;
  return {
    ...command,
    builder: (yargs) => {
      const built = typeof builder === "function" ? builder(yargs) : yargs.options(builder ?? {});
      return (built as typeof yargs).epilogue(`More: ${pageAddress(page)}`) as never;
    },
  };
}
