import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const root = path.join(__dirname, "..", "..", ".cache", "clients");

/**
 * The Python of a virtual environment with these packages (as pip takes them, pinned); it is made once, under .cache/.
 * @throws when there is no python3, or the packages cannot be had
 */
export function pythonWith(...packages: string[]): string {
  const name = createHash("sha256").update(packages.join("\n")).digest("hex").slice(0, 12);
  const folder = path.join(root, name);
  const python = path.join(folder, "bin", "python");
  const complete = path.join(folder, "complete");
  if (!existsSync(complete)) {
    mkdirSync(root, { recursive: true });
    execFileSync("python3", ["-m", "venv", "--clear", folder]);
    execFileSync(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    writeFileSync(complete, "");
  }
  return python;
}

/** Runs a script; resolves with what it printed. */
export async function runPython(python: string, script: string, ...args: string[]): Promise<string> {
  const child = spawn(python, ["-c", script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`python ended with ${code}: ${errors}`);
  return output;
}
