import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { link, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { convert, loadModel, type ModelOptions, readParameters, SdcppError } from "../../lib/index.js";
import { fileOptions } from "../../lib/options/index.js";
import { clipL, largeShaped, modelFolder, taesd3 } from "../helpers/checkpoints.js";
import { limit, outcome, survivor } from "../helpers/hostile.js";
import { drawHash, loadSmall } from "../helpers/runs.js";

const ours = /^ERR_(INVALID_OPTION|MODEL_FILE|MISSING_COMPONENT|UNSUPPORTED_MODEL)$/;
const isOurs = (error: unknown) => error instanceof SdcppError && ours.test(error.code);

describe("files", () => {
  const held = survivor();
  let folder: string;
  let files: { diffusionModel: string; clipL: string; taesd: string };
  let none: string[];
  before(async () => {
    await mkdir(modelFolder, { recursive: true });
    folder = await mkdtemp(path.join(modelFolder, "hostile-")); // beside the models, for hard links
    files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
    const pipe = path.join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    await writeFile(path.join(folder, "text.gguf"), "no model");
    await symlink(path.join(folder, "circle"), path.join(folder, "circle"));
    await mkdir(path.join(folder, "empty"));
    none = [path.join(folder, "empty"), pipe, "/dev/zero", "/dev/null", "/proc/self/mem", path.join(folder, "circle"), path.join(folder, "text.gguf"), "absent", "", "a\0b", "x".repeat(5000), "x".repeat(40_000), "\ud800", "\n"]; // biome-ignore format: short
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const option of Object.keys(fileOptions)) {
    it(`folders, devices, pipes, circles and nonsense as ${option}`, limit, async () => {
      for (const file of none) {
        const options = { ...files, [option]: file } as ModelOptions;
        await assert.rejects(loadModel({ ...options, threads: 1 }), isOurs, `${option}: ${JSON.stringify(file.slice(0, 40))}`);
      }
    });
  }

  it("the same as LoRAs, networks, inputs of convert and pictures to read back", limit, async () => {
    for (const file of none) {
      assert.match(await outcome(held.model, { loras: [{ path: file }] }), ours, file.slice(0, 40));
      assert.match(await outcome(held.model, { hires: { model: file } }), ours, file.slice(0, 40));
      await assert.rejects(convert({ input: file, output: path.join(folder, "out.gguf"), type: "q8_0" }), isOurs, file.slice(0, 40));
      await assert.rejects(readParameters(file), { code: "ERR_INVALID_OPTION" }, file.slice(0, 40));
    }
    await assert.rejects(stat(path.join(folder, "out.gguf")), { code: "ENOENT" });
  });

  it("outputs that cannot be written", limit, async () => {
    const { images } = await held.model.generate({ prompt: "a", width: 16, height: 16, steps: 1, cfgScale: 1 });
    for (const output of [
      path.join(folder, "absent", "a.png"),
      path.join(folder, "text.gguf", "a.png"),
      "/proc/a.png",
      "",
      "a\0b.png",
      "a.bmp",
    ])
      await assert.rejects(async () => images[0]?.toFile(output), Error, output);
    for (const output of [path.join(folder, "absent", "a.gguf"), "/proc/a.gguf"])
      await assert.rejects(convert({ input: files.taesd, output, type: "q8_0" }), SdcppError, output);
  });

  it("paths that are not ASCII, with spaces and quotes", limit, async () => {
    const odd = path.join(folder, "モデル ü '\"`$x; ﷽");
    await mkdir(odd);
    const there = { ...files };
    for (const name of Object.keys(files) as (keyof typeof files)[]) {
      there[name] = path.join(odd, `${name} 图.gguf`);
      await link(files[name], there[name]);
    }
    await using model = await loadSmall(there);
    assert.equal(await drawHash(model), await drawHash(held.model));
    const { images } = await model.generate({ prompt: "é 图", width: 16, height: 16, steps: 1, cfgScale: 1 });
    await images[0]?.toFile(path.join(odd, "图 ü.png"));
    assert.equal((await readParameters(path.join(odd, "图 ü.png")))?.prompt, "é 图");
  });

  it("prompt tags cannot leave loraDir", limit, async () => {
    const inside = path.join(folder, "loras");
    await mkdir(inside);
    await writeFile(path.join(folder, "secret.safetensors"), "x");
    await using model = await loadSmall({ loraDir: inside });
    const names = ["../secret", "..\\secret", path.join(folder, "secret"), "./../secret", "loras/../../secret", "..", ".", "", "secret\u0000", "%2e%2e/secret", "C:secret"]; // biome-ignore format: short
    for (const name of names) {
      const run = model.generate({ prompt: `a <lora:${name}:1>`, width: 16, height: 16, steps: 1 });
      await assert.rejects(run, { code: "ERR_INVALID_OPTION", message: /is no file in loraDir|without NUL|as the weight in/ }, name);
    }
  });
});
