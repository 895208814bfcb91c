import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemoryEstimate } from "../../lib/index.js";
import { clipL, largeShaped, mediumShaped, taesd3, vae } from "../helpers/checkpoints.js";
import { sdcpp } from "../helpers/cli.js";

test("a preset: a table for people, JSON for programs", async () => {
  const { code, stdout, stderr } = await sdcpp(["estimate", "demo", "--width", "256", "--height", "128", "--batch-count", "3"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const lines = stdout.split("\n");
  assert.equal(lines[0], "3 pictures of 256x128");
  for (const row of ["diffusion .* MB .* MB  cpu", "clipL .* MB .* MB  cpu", "taesd .* MB .* MB  cpu", "other .* MB  cpu"]) {
    assert.ok(
      lines.some((line) => new RegExp(`^${row}$`).test(line)),
      row,
    );
  }
  assert.match(stdout, /^cpu: \d+\.\d MB at the peak, .* is (free|left in .*): fits$/m);

  const json = await sdcpp(["estimate", "demo", "--width", "256", "--height", "128", "--json"]);
  const estimate: MemoryEstimate = JSON.parse(json.stdout);
  const named = await sdcpp(["estimate", "--model", "demo", "--width", "256", "--height", "128", "--json"]);
  assert.deepEqual(JSON.parse(named.stdout).parts, estimate.parts, "as --model, as in generate");
  assert.deepEqual([json.code, estimate.width, estimate.height, estimate.fits], [0, 256, 128, true]);
  assert.ok((estimate.devices.cpu?.peak ?? 0) > (estimate.parts.clipL?.weights ?? Number.POSITIVE_INFINITY));
});

test("files in any order, and options of a load", async () => {
  const files = [await vae(), await largeShaped("q8_0"), await clipL()];
  const { code, stdout } = await sdcpp(["estimate", ...files, "--mmap", "--vae-tiling", "--width", "512", "--height", "512", "--json"]);
  const { devices, parts }: MemoryEstimate = JSON.parse(stdout);
  assert.deepEqual([code, Object.keys(parts).sort()], [0, ["clipL", "diffusion", "vae"]]);
  assert.ok((devices.cpu?.mapped ?? 0) > 100e6);
  const plain = ["--diffusion-model", await largeShaped("q8_0"), "--clip-l", await clipL(), "--taesd", await taesd3()];
  const disk = await sdcpp(["estimate", ...plain, "--offload-params", "disk", "--width", "64", "--height", "64"]);
  assert.match(disk.stdout, /^clipL .* cpu, weights on disk$/m);
});

test("exit code 1 with what helps when it does not fit", async () => {
  const files = [await mediumShaped(), await clipL(), await taesd3()];
  const picture = ["--no-flash-attention", "--width", "6144", "--height", "6144"]; // two terabytes
  const { code, stdout } = await sdcpp(["estimate", ...files, ...picture]);
  assert.equal(code, 1);
  assert.match(stdout, /: does not fit\nwhat helps:\n {2}flashAttention: true saves \d{4}\.\d\d GB/);
});

test("mistakes: exit code 2 for options, 1 for files", async () => {
  const nothing = await sdcpp(["estimate"]);
  assert.match(nothing.stderr, /no diffusion model/);
  const side = await sdcpp(["estimate", "demo", "--width", "100"]);
  assert.match(side.stderr, /^--width: expected a multiple of 16/);
  const missing = await sdcpp(["estimate", "nowhere.gguf"]);
  assert.match(missing.stderr, /nowhere\.gguf does not exist \(ERR_MODEL_FILE\)/);
  assert.deepEqual([nothing.code, side.code, missing.code], [2, 2, 1]);
});
