import { readFileSync } from "node:fs";
import { NoBinaryError } from "../errors.js";

import path = require("node:path"); // as it is written in JavaScript, so that those who read that see what `path.join` is

/** The package's folder: two above this file's, both in `lib/` and in `dist/`. An ES module that a bundler made has no `__dirname`. */
export const packageRoot = path.join(typeof __dirname === "string" ? __dirname : "", "..", "..");

let isPackage: boolean | undefined;

/**
 * The folders that come with the code. Each is named by a constant path from `__dirname`, so that what gathers an app's files, as Next.js does for
 * `output: "standalone"`, takes it along.
 * @throws NoBinaryError in a copy of the code that a bundler made, which has nothing beside it
 */
export function packageFolders(): { prebuilds: string; built: string; demo: string } {
  isPackage ??= nameBeside() === "node-sd-cpp";
  if (!isPackage) {
    throw new NoBinaryError(
      'node-sd-cpp was bundled: leave it external; for Next: serverExternalPackages: ["node-sd-cpp"] in next.config. docs/bundlers.md has the others.',
    );
  }
  return {
    prebuilds: path.join(__dirname, "..", "..", "prebuilds"),
    built: path.join(__dirname, "..", "..", "build", "Release"),
    demo: path.join(__dirname, "..", "..", "models", "demo"),
  };
}

function nameBeside(): unknown {
  try {
    return JSON.parse(readFileSync(path.join(__dirname, "..", "..", "package.json"), "utf8")).name;
  } catch {
    return; // also without a __dirname
  }
}
