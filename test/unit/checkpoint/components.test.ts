import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Given } from "../../../lib/checkpoint/assembly.js";
import { assemble } from "../../../lib/checkpoint/components.js";
import { checkLoadable } from "../../../lib/checkpoint/refusals.js";
import { InvalidOptionError, MissingComponentError, ModelFileError, UnsupportedModelError } from "../../../lib/errors.js";
import type { ModelFiles } from "../../../lib/index.js";
import { type TensorSpec, writeSparseGguf } from "../../helpers/gguf.js";
import { clip, esrgan, mmdit, prefixed, t5, taesd3, vae } from "../../helpers/layouts.js";
import { kohya, pair } from "../../helpers/loras.js";

let folder: string;
let file: Record<string, string>;

const dit = () => mmdit({ depth: 24, hidden: 24, type: "f16" });
const encoders = { clipL: () => clip("l"), clipG: () => clip("g"), t5xxl: () => t5({ layers: 1, vocabulary: 64, feedForward: 64 }) };
const together = (...tensors: TensorSpec[][]) => [...prefixed("model.diffusion_model.", dit()), ...tensors.flat()];

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-components-"));
  file = await write(folder, {
    dit: dit(),
    other: dit(),
    l: encoders.clipL(),
    g: encoders.clipG(),
    t5: encoders.t5xxl(),
    vae: vae(),
    taesd: taesd3(),
    "dit-vae": together(prefixed("first_stage_model.", vae())),
    whole: together(prefixed("first_stage_model.", vae()), prefixed("text_encoders.clip_l.transformer.", clip("l"))),
    "broken-l": clip("l").slice(1),
    lora: pair("lora_unet_joint_blocks_0_x_block_attn_qkv", 24, 72, kohya),
    esrgan: esrgan(2),
    flux: [{ name: "double_blocks.0.img_attn.qkv.weight", shape: [8, 8], type: "f16" }],
  });
});
after(() => rm(folder, { recursive: true, force: true }));

async function write<T extends Record<string, TensorSpec[]>>(where: string, files: T): Promise<Record<keyof T, string>> {
  await mkdir(where, { recursive: true });
  const entries = Object.entries(files).map(([name, tensors]) => [name, path.join(where, `${name}.gguf`), tensors] as const);
  for (const [, target, tensors] of entries) await writeSparseGguf(target, tensors);
  return Object.fromEntries(entries.map(([name, target]) => [name, target])) as Record<keyof T, string>;
}

type Names = Partial<Record<keyof ModelFiles, string>>;

/** Files by their short names. */
const paths = (names: Names): ModelFiles => Object.fromEntries(Object.entries(names).map(([slot, name]) => [slot, file[name] ?? name]));
const given = (explicit: Names, found?: string[], taesdPreviewOnly?: boolean): Given => ({
  explicit: paths(explicit),
  found: found?.map((name) => file[name] ?? name),
  taesdPreviewOnly,
});

async function load(input: Given) {
  const assembly = await assemble(input);
  checkLoadable(assembly);
  return assembly;
}

async function refused(input: Given, kind: new (...args: never[]) => Error, ...messages: (RegExp | string)[]): Promise<void> {
  await assert.rejects(load(input), (error) => {
    assert.ok(error instanceof kind, `${error}`);
    for (const message of messages) assert.ok(error.message.match(message), error.message);
    return true;
  });
}

describe("files in any order", () => {
  test("each goes to its option", async () => {
    const { files, missing, ignored } = await load(given({}, ["t5", "vae", "g", "dit", "l"]));
    assert.deepEqual(files, paths({ t5xxl: "t5", vae: "vae", clipG: "g", diffusionModel: "dit", clipL: "l" }));
    assert.deepEqual([missing, ignored], [[], []]);
  });

  test("a file of several parts is the model; a part of its own goes before what is in it", async () => {
    assert.deepEqual((await load(given({}, ["whole"]))).files, paths({ model: "whole" }));
    const assembly = await load(given({}, ["l", "dit-vae", "vae"]));
    assert.deepEqual(assembly.files, paths({ model: "dit-vae", clipL: "l", vae: "vae" }));
    const used = assembly.used.map(({ slot, part }) => `${slot}: ${part.name}`);
    assert.deepEqual(used.sort(), ["clipL: clipL", "model: diffusion", "vae: vae"]);
  });

  test("of VAE and TAESD the VAE, except for previews and where the option says so", async () => {
    const rest = ["dit", "l", "vae"];
    const { files, ignored } = await load(given({}, [...rest, "taesd"]));
    assert.equal(files.taesd, undefined);
    assert.deepEqual(ignored, [{ file: file.taesd, reason: "is not needed beside a VAE; give it as taesd to draw with it" }]);
    assert.equal((await load(given({}, [...rest, "taesd"], true))).files.taesd, file.taesd);
    assert.equal((await load(given({ taesd: "taesd" }, rest))).files.taesd, file.taesd);
    assert.equal((await load(given({}, ["dit", "l", "taesd"]))).files.taesd, file.taesd);
  });

  test("what was given by its option wins", async () => {
    const assembly = await load(given({ diffusionModel: "other" }, ["dit", "l", "vae", "whole"]));
    assert.equal(assembly.files.diffusionModel, file.other);
    assert.equal(assembly.files.model, undefined);
    assert.deepEqual(
      assembly.ignored.map(({ reason }) => reason),
      ["is not needed, as diffusionModel was given", "is not needed, as diffusionModel was given"],
    );
    assert.equal((await load(given({ model: "whole" }, ["dit"]))).files.diffusionModel, undefined);
  });

  test("two of one part, and what is none", async () => {
    await refused(
      given({}, ["dit", "other", "l", "vae"]),
      InvalidOptionError,
      /^files: expected one diffusion model, but .*dit.gguf and .*other.gguf both/,
    );
    await refused(given({}, ["dit", "whole"]), InvalidOptionError, /expected one diffusion model/);
    await refused(given({}, ["whole", "dit-vae"]), InvalidOptionError, /expected one model of several parts/);
    await refused(given({}, ["l", "l"]), InvalidOptionError, /expected one CLIP-L text encoder.*to be used as clipL/);
    await refused(given({}, ["dit", "lora"]), UnsupportedModelError, /^files: .*lora.gguf is a LoRA, expected parts of .*one of loras/);
    await refused(given({}, ["dit", "flux"]), UnsupportedModelError, /is a FLUX/);
    await refused(given({}, ["none.gguf"]), ModelFileError, /^files: none.gguf does not exist/);
    await refused(given({}, ["https://127.0.0.1:1/x.gguf"]), Error, /cannot be reached/);
  });
});

describe("a folder", () => {
  test("is looked through, with the folders in it; other files are passed over", async () => {
    const where = path.join(folder, "repository");
    const own = await write(where, { dit: dit(), lora: pair("lora_te_x", 8, 8, kohya), ".hidden": dit() });
    const inner = await write(path.join(where, "text_encoders"), { l: clip("l") });
    const vaes = await write(path.join(where, "vae"), { decoder: vae() });
    await write(path.join(where, "vae", "deeper"), { other: vae() });
    await writeFile(path.join(where, "README.md"), "text");
    await writeFile(path.join(where, "old.ckpt"), "PK\x03\x04");
    for (const input of [given({}, [where]), given({ model: where }), given({}, [`${where}/`])]) {
      const { files, ignored } = await load(input);
      assert.deepEqual(files, { diffusionModel: own.dit, clipL: inner.l, vae: vaes.decoder });
      assert.deepEqual(ignored, [{ file: own.lora, reason: "is a LoRA" }]);
    }
    assert.equal((await load(given({ vae: "vae" }, [where]))).files.vae, file.vae);
  });

  test("without a model, without a diffusion model, with a damaged file", async () => {
    const empty = path.join(folder, "empty");
    await mkdir(empty);
    await refused(given({}, [empty]), ModelFileError, /^files: .*empty holds no .gguf or .safetensors file/);
    await refused(given({ model: empty }), ModelFileError, /^model: .*empty holds no/);
    await write(empty, { l: clip("l"), esrgan: esrgan(1) });
    await refused(given({}, [empty]), MissingComponentError, /^No diffusion model.*esrgan.gguf is an ESRGAN upscaler/);
    await writeFile(path.join(empty, "cut.gguf"), "GGUF\x03\0\0\0");
    await refused(given({}, [empty]), ModelFileError, /^files: .*cut.gguf is truncated/);
  });

  test("with the first part of a split checkpoint, which the engine cannot read", async () => {
    const where = path.join(folder, "split");
    await write(where, { "dit-00001-of-00002": [], "dit-00002-of-00002": [] });
    await refused(given({}, [where]), ModelFileError, /is named as part 1 of 2, but does not say so/);
  });
});

describe("options", () => {
  const base = { clipL: "l", vae: "vae" };

  test("a diffusion model alone and an all-in-one file are taken by either option", async () => {
    assert.deepEqual((await load(given({ ...base, model: "dit" }))).files, paths({ ...base, diffusionModel: "dit" }));
    assert.deepEqual((await load(given({ ...base, diffusionModel: "dit-vae" }))).files, paths({ ...base, model: "dit-vae" }));
    await refused(
      given({ ...base, model: "dit", diffusionModel: "other" }),
      InvalidOptionError,
      /^model: expected no diffusionModel beside/,
    );
    assert.deepEqual((await load(given({ ...base, model: "dit-vae", diffusionModel: "dit" }))).files.model, file["dit-vae"]);
  });

  test("a part by another part's option", async () => {
    const swapped = given({ diffusionModel: "dit", clipL: "g", clipG: "l", vae: "vae" });
    await refused(
      swapped,
      ModelFileError,
      /^clipL: .*g.gguf is a CLIP-G text encoder, expected a CLIP-L text encoder; give it as clipG; are clipL and clipG swapped\?$/,
    );
    await refused(given({ diffusionModel: "dit", t5xxl: "vae", vae: "t5" }), ModelFileError, /^t5xxl: .*is a VAE, .*swapped/);
    await refused(
      given({ ...base, diffusionModel: "dit", vae: "taesd" }),
      ModelFileError,
      /^vae: .* is a TAESD3, expected a VAE; give it as taesd$/,
    );
    await refused(given({ ...base, diffusionModel: "dit", clipL: "whole" }), ModelFileError, /^clipL: .*; give it as model$/);
    await refused(
      given({ ...base, diffusionModel: "l" }),
      UnsupportedModelError,
      /^diffusionModel: .*is a CLIP-L text encoder, expected a diffusion model.*; give it as clipL$/,
    );
    await refused(given({ ...base, model: "vae" }), UnsupportedModelError, /^model: .*; give it as vae$/);
  });

  test("what is no part of Stable Diffusion 3", async () => {
    await refused(
      given({ ...base, model: "lora" }),
      UnsupportedModelError,
      /^model: .* is a LoRA, expected a diffusion model .*; give a LoRA to generate\(\)/,
    );
    await refused(given({ ...base, diffusionModel: "flux" }), UnsupportedModelError, /^diffusionModel: .* is a FLUX/);
    await refused(
      given({ ...base, diffusionModel: "dit", vae: "esrgan" }),
      UnsupportedModelError,
      /^vae: .* is an ESRGAN upscaler, expected a VAE/,
    );
  });

  test("a part that lacks a tensor", async () => {
    await refused(
      given({ ...base, diffusionModel: "dit", clipL: "broken-l" }),
      ModelFileError,
      /^clipL: .* cannot be used as CLIP-L text encoder: it lacks the tensor/,
    );
    await refused(given({}, ["dit", "broken-l", "vae"]), ModelFileError, /^files: .*broken-l.gguf cannot be used/);
    // A VAE that nobody will read may be anything.
    const decoder = await write(path.join(folder, "half"), { vae: vae().filter(({ name }) => name.startsWith("decoder")) });
    await load({ explicit: { ...paths({ diffusionModel: "dit", clipL: "l", taesd: "taesd" }), vae: decoder.vae } });
    await refused(
      { explicit: { ...paths({ diffusionModel: "dit", clipL: "l" }), vae: decoder.vae } },
      ModelFileError,
      /lacks the tensor "encoder/,
    );
  });

  test("what is missing, with the files to get", async () => {
    await refused(
      given({ diffusionModel: "dit", vae: "vae" }),
      MissingComponentError,
      /clipL, clipG and t5xxl/,
      /text_encoders\/clip_l.safetensors \(246.1 MB\) of Comfy-Org/,
    );
    await refused(
      given({ diffusionModel: "dit", clipL: "l" }),
      MissingComponentError,
      /vae or taesd/,
      /sd35_vae.safetensors \(168.0 MB\) of mcmonkey\/swarm-vaes as vae, or .*madebyollin\/taesd3 as taesd. `npx node-sd-cpp pull/,
    );
    await refused(given({ diffusionModel: "dit", clipL: "l", taesd: "taesd" }, undefined, true), MissingComponentError, /No VAE/);
    await refused(given({ clipL: "l", vae: "vae" }), MissingComponentError, /^No diffusion model/);
    const { missing } = await assemble(given({ diffusionModel: "dit", clipL: "l" }));
    assert.deepEqual(
      missing.map(({ part, required }) => [part, required]),
      [
        ["clipG", false],
        ["t5xxl", false],
        ["vae", true],
      ],
    );
  });

  test("a pickle is left to the engine", async () => {
    const pickle = path.join(folder, "model.ckpt");
    await writeFile(pickle, "PK\x03\x04…");
    assert.deepEqual((await load({ explicit: { model: pickle } })).files, { model: pickle });
    assert.deepEqual((await load({ explicit: { ...paths({ diffusionModel: "dit", vae: "vae" }), clipL: pickle } })).files.clipL, pickle);
    await refused({ explicit: {}, found: [pickle] }, UnsupportedModelError, /is a pickle of Python.*give it by its option/);
  });
});
