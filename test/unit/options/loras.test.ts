import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { InvalidOptionError } from "../../../lib/errors.js";
import { checkGenerateOptions } from "../../../lib/options/index.js";

const defaults = { width: 1024, height: 1024, steps: 28, cfgScale: 4.5, sampler: "euler", scheduler: "discrete", flowShift: 3 } as const;
const limits = { defaults, maxSide: 1024, depth: 24 };

function refused(work: () => unknown, ...parts: string[]): void {
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof InvalidOptionError, String(error));
    assert.equal(error.path, "prompt");
    for (const part of parts) assert.ok(error.message.includes(part), error.message);
    return true;
  });
}

test("finds LoRAs in folders below, and takes the same weight twice", () => {
  const loraDir = mkdtempSync(path.join(tmpdir(), "sdcpp-loras-"));
  try {
    for (const file of ["ink.safetensors", "styles/oil.gguf", "styles/old/chalk.safetensors", "a/twin.gguf", "b/twin.gguf"]) {
      mkdirSync(path.join(loraDir, path.dirname(file)), { recursive: true });
      writeFileSync(path.join(loraDir, file), "");
    }
    const tags = (prompt: string) => checkGenerateOptions({ prompt }, { ...limits, loraDir }).parameters.loras;
    const found = (name: string, file: string, weight = 1) =>
      assert.deepEqual(tags(`x <lora:${name}>`), [{ path: path.join(loraDir, ...file.split("/")), weight }], name);
    found("ink", "ink.safetensors");
    found("ink.safetensors:-0.5", "ink.safetensors", -0.5);
    found("ink:1:1", "ink.safetensors");
    found(" oil : 2 : 2.0 ", "styles/oil.gguf", 2);
    found("styles/oil:0.5", "styles/oil.gguf", 0.5);
    found("styles\\old\\chalk", "styles/old/chalk.safetensors");
    found("chalk", "styles/old/chalk.safetensors");
    found("a/twin", "a/twin.gguf");
    refused(() => tags("<lora:twin>"), "means several files in loraDir", "a/twin, b/twin");
    refused(() => tags("<lora:old/chalk>"), "is no file in loraDir", "a/twin, b/twin, ink, styles/oil, styles/old/chalk");
    refused(() => tags("<lora:ink:1:0.5>"), "one weight for the whole LoRA");
    refused(() => tags("<lora:ink:1:1:1>"), "one weight for the whole LoRA");
    refused(() => tags("<lora:ink:>"), "as the weight");
    refused(() => tags(`<lora:${"x".repeat(5000)}>`), "xxx…xxx");
  } finally {
    rmSync(loraDir, { recursive: true });
  }
});

test("tags and options together are at most as many as options alone may be", () => {
  const loraDir = mkdtempSync(path.join(tmpdir(), "sdcpp-loras-"));
  try {
    writeFileSync(path.join(loraDir, "x.gguf"), "");
    const tagged =
      (count: number, loras: { path: string }[] = []) =>
      () =>
        checkGenerateOptions({ prompt: "<lora:x:0.1>".repeat(count), loras }, { ...limits, loraDir });
    assert.equal(tagged(64)().parameters.loras?.length, 64);
    refused(tagged(65), "at most 64 LoRAs, those of its tags among them, received 65");
    refused(tagged(64, [{ path: "y" }]), "received 65");
  } finally {
    rmSync(loraDir, { recursive: true });
  }
});
