import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const root = path.join(__dirname, "..", "..", ".cache", "clients");

/**
 * A `require` that finds these packages (as npm takes them, pinned), in a folder that is made once, under .cache/.
 * @throws when they cannot be had
 */
export function requireWith(...packages: string[]): NodeJS.Require {
  const name = createHash("sha256").update(packages.join("\n")).digest("hex").slice(0, 12);
  const folder = path.join(root, `npm-${name}`);
  const complete = path.join(folder, "complete");
  if (!existsSync(complete)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, "package.json"), '{ "private": true }');
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", ["install", "--prefix", folder, ...flags, ...packages], { stdio: ["ignore", "ignore", "inherit"] });
    writeFileSync(complete, "");
  }
  return createRequire(path.join(folder, "package.json"));
}
