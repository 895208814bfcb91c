import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidOptionError } from "../../../lib/errors.js";
import type { Core } from "../../../lib/server/core.js";
import { HttpError, renamed } from "../../../lib/server/errors.js";
import { parseSize, sizeOfRatio } from "../../../lib/server/ratio.js";
import { servedFor } from "../../../lib/server/wait.js";

test("a ratio becomes sides that can be drawn", () => {
  assert.deepEqual(sizeOfRatio(16 / 9, 128 ** 2), { width: 176, height: 96 });
  assert.deepEqual(sizeOfRatio(16 / 9, 128 ** 2, 128), { width: 128, height: 80 });
  for (const ratio of [16 / 9, 21 / 9, 3 / 2, 1, 4 / 5, 9 / 21]) {
    const { width, height } = sizeOfRatio(ratio, 1024 ** 2, 1440);
    assert.ok(width % 16 === 0 && height % 16 === 0 && Math.max(width, height) <= 1440);
    assert.ok(Math.abs(width / height / ratio - 1) < 0.04, `${width}x${height}`);
  }
  assert.deepEqual(sizeOfRatio(1000, 64 ** 2, 512), { width: 512, height: 16 });
  assert.deepEqual(parseSize("1366x768"), { width: 1366, height: 768 });
  for (const text of ["0x16", "16", "16x", "x16", "axb", "-1x16", "1e3x16", 16, null]) assert.equal(parseSize(text), undefined);
});

test("a cloud's name is that model, one of its family, or the default one with a warning", async () => {
  const all = [
    { id: "mine", aliases: [], family: "demo" },
    { id: "sd3.5-medium:q4_0", aliases: ["sd3.5-medium"], family: "sd3.5-medium" },
  ];
  const find = async (name?: string) => {
    const found = name ? all.find(({ id, aliases }) => id === name || (aliases as string[]).includes(name)) : all[0];
    if (!found) throw new HttpError(404, "model_not_found", "none", "model");
    return found;
  };
  const core = { models: { list: async () => all, find } } as unknown as Core;
  const names = { medium: "sd3.5-medium", large: "sd3.5-large" } as const;
  assert.deepEqual(await servedFor(core, undefined, names), { model: "mine" });
  assert.deepEqual(await servedFor(core, "medium", names), { model: "sd3.5-medium:q4_0" });
  assert.deepEqual(await servedFor(core, "sd3.5-medium", names), { model: "sd3.5-medium:q4_0" });
  assert.deepEqual(await servedFor(core, "large", names), { model: "mine", warning: "large is not served here; mine has drawn it." });
  for (const name of ["other", "toString", "__proto__"]) await assert.rejects(servedFor(core, name, names), { status: 404 });
});

test("errors get a convention's names", () => {
  const own = renamed(new InvalidOptionError("steps", "expected more"), { steps: "num_inference_steps" }) as InvalidOptionError;
  assert.deepEqual([own.path, own.message], ["num_inference_steps", "num_inference_steps: expected more"]);
  const limit = renamed(new HttpError(400, "over_limit", "width: too many", "width"), { width: "size" }) as HttpError;
  assert.deepEqual([limit.param, limit.message], ["size", "size: too many"]);
  const other = new HttpError(404, "not_found", "none", "model");
  assert.equal(renamed(other, { width: "size" }), other);
});
