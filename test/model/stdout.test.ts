import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { test } from "node:test";

/** stdout is the application's: whatever is done, with whatever files, no byte of the package or of the engine may be on it. */
const program = path.join(__dirname, "..", "fixtures", "everything.cjs");

for (const stdout of ["counted", "closed"] as const) {
  test(`nothing that the package does writes to stdout (${stdout})`, {
    skip: stdout === "closed" && process.platform === "win32" && "closes it by sh",
  }, async () => {
    const args = stdout === "closed" ? ["sh", "-c", 'exec "$0" "$1" >&-', process.execPath, program] : [process.execPath, program];
    const child = spawn(args[0] as string, args.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    let printed = "";
    let told = "";
    child.stdout.on("data", (data) => {
      printed += data;
    });
    child.stderr.on("data", (data) => {
      told += data;
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 0, told);
    assert.equal(printed, "");
    assert.match(told, /^drew 41, refused 7$/m);
  });
}
