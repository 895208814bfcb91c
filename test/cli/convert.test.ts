import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { largeShaped } from "../helpers/checkpoints.js";
import { sdcpp } from "../helpers/cli.js";
import { readHeader } from "../helpers/header.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-cli-convert-"));
});
after(() => rm(folder, { recursive: true, force: true }));

test("sdcpp convert writes the file, prints its name and counts the types", async () => {
  const output = path.join(folder, "small.gguf");
  const ended = await sdcpp(["convert", await largeShaped("q8_0"), "-o", output, "--type", "q4_0", "--threads", "1"]);
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stdout, `${output}\n`);
  assert.match(ended.stderr, /237 q4_0/);
  assert.equal((await readHeader(output)).metadata["general.file_type"], 2);
  const json = await sdcpp(["convert", output, "-o", path.join(folder, "again.gguf"), "--type", "f16", "--json", "--quiet"]);
  const result = JSON.parse(json.stdout);
  assert.equal((await stat(result.output)).size, result.bytes);
});

test("mistakes exit with 2, failures with 1, and leave no file", async () => {
  const before = await readdir(folder);
  const output = path.join(folder, "never.gguf");
  const wrong = await sdcpp(["convert", await largeShaped("f16"), "-o", output, "--type", "q9"]);
  assert.deepEqual([wrong.code, /^--type: expected one of "f32"/.test(wrong.stderr)], [2, true], wrong.stderr);
  const missing = await sdcpp(["convert", "no-such.gguf", "-o", output, "--type", "q8_0"]);
  assert.deepEqual([missing.code, /no-such\.gguf does not exist/.test(missing.stderr)], [1, true], missing.stderr);
  assert.deepEqual(await readdir(folder), before);
});
