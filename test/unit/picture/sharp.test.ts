import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";

const index = path.join(__dirname, "../../../lib/index.ts");
const cli = path.join(__dirname, "../../../lib/cli/cli.ts");

/** Runs a script in a process where sharp does not load, as with `npm install --omit=optional`. */
function withoutSharp(script: string) {
  const broken = `
    const Module = require("node:module");
    const load = Module._load;
    Module._load = (name, ...rest) => {
      if (name === "sharp") throw new Error("Could not load the \\"sharp\\" module using the plan9-arm runtime\\nPossible solutions: …");
      return load(name, ...rest);
    };`;
  return spawnSync(process.execPath, ["--require", "tsx/cjs", "-e", broken + script], { encoding: "utf8" });
}

test("without sharp the package loads, and the first picture says what is missing", () => {
  const { stdout, stderr } = withoutSharp(`
    const { Image } = require(${JSON.stringify(index)});
    new Image(new Uint8Array(3), 1, 1, 3).encode("png").catch((error) => console.log(error.code, error.message));`);
  assert.equal(stderr, "");
  assert.match(
    stdout,
    /^ERR_NO_BINARY sharp, .* could not be loaded \(Could not load the "sharp" module using the plan9-arm runtime\)\. Install it for /,
  );
});

test("without sharp the command tells its version", () => {
  const { stdout, status, stderr } = withoutSharp(
    `process.argv.splice(1, 0, "sdcpp"); process.argv.push("--version"); require(${JSON.stringify(cli)});`,
  );
  assert.equal(stderr, "");
  assert.equal(status, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+/);
});
