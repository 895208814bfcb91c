import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { type InspectProgress, inspectModel } from "../../../lib/index.js";
import { fileServer, sendFile } from "../../helpers/file-server.js";
import { writeSparseGguf } from "../../helpers/gguf.js";
import { clip, mmdit, taesd3 } from "../../helpers/layouts.js";
import { kohya, pair } from "../../helpers/loras.js";

let folder: string;
let files: { dit: string; clipL: string; taesd: string; lora: string };

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-inspect-"));
  const file = async (name: string, ...written: Parameters<typeof writeSparseGguf> extends [string, ...infer Rest] ? Rest : never) => {
    await writeSparseGguf(path.join(folder, name), ...written);
    return path.join(folder, name);
  };
  const metadata = { "general.name": "a title", big: 2n ** 60n };
  files = {
    dit: await file("sd3.5_medium.gguf", mmdit({ depth: 24, hidden: 1536, dual: 13, type: "q8_0" }), metadata),
    clipL: await file("clip_l.gguf", clip("l")),
    taesd: await file("taesd3.gguf", taesd3()),
    lora: await file("lora.gguf", pair("lora_unet_joint_blocks_0_x_block_attn_qkv", 24, 72, kohya)),
  };
});
after(() => rm(folder, { recursive: true, force: true }));

describe("inspectModel", () => {
  test("one file: what it is, and what is missing beside it", async () => {
    const found = await inspectModel(files.dit);
    const [file] = found.files;
    assert.equal(file?.kind, "Stable Diffusion 3.5 Medium");
    assert.deepEqual(file.metadata, { "general.name": "a title", big: 2n ** 60n });
    assert.equal(file.files[0]?.sha256, undefined);
    assert.deepEqual(found.options, { diffusionModel: files.dit });
    assert.equal(found.loadable, false);
    assert.match(found.problem ?? "", /^No text encoder/);
    assert.deepEqual(
      found.missing.map(({ part, required, repository }) => [part, required, repository]),
      [
        ["clipL", true, "Comfy-Org/stable-diffusion-3.5-fp8"],
        ["clipG", true, "Comfy-Org/stable-diffusion-3.5-fp8"],
        ["t5xxl", true, "Green-Sky/flux.1-schnell-GGUF"],
        ["vae", true, "mcmonkey/swarm-vaes"],
      ],
    );
  });

  test("several files and a folder: the model they make", async () => {
    for (const source of [[files.clipL, files.dit, files.taesd], folder]) {
      const found = await inspectModel(source);
      assert.deepEqual(found.options, { diffusionModel: files.dit, clipL: files.clipL, taesd: files.taesd });
      assert.deepEqual([found.loadable, found.problem, found.family, found.maxSide], [true, undefined, "sd3.5-medium", 6144]);
      assert.equal(found.license, "Stability AI Community License");
      const parts = found.files.flatMap(({ kind, parameters }) => (kind === "LoRA" ? [] : [parameters]));
      assert.equal(
        found.parameters,
        parts.reduce((sum, count) => sum + count, 0),
      );
      assert.deepEqual(found.ignored, source === folder ? [{ file: files.lora, reason: "is a LoRA" }] : []);
    }
  });

  test("files that make no model: a problem, not an error", async () => {
    const found = await inspectModel([files.dit, files.lora]);
    assert.equal(found.files.length, 2);
    assert.deepEqual(found.options, {});
    assert.match(found.problem ?? "", /lora.gguf is a LoRA/);
    assert.match((await inspectModel([files.dit, files.dit])).problem ?? "", /expected one diffusion model/);
  });

  test("SHA-256 on request, with progress, and until it is aborted", async () => {
    const events: InspectProgress[] = [];
    const found = await inspectModel(files.taesd, { sha256: true, onProgress: (event) => events.push(event) });
    const bytes = await readFile(files.taesd);
    assert.equal(found.files[0]?.files[0]?.sha256, createHash("sha256").update(bytes).digest("hex"));
    assert.deepEqual(events.at(-1), { file: files.taesd, bytes: bytes.length, total: bytes.length });
    assert.ok(events.length > 2 && events.every((event, i) => event.bytes > (events[i - 1]?.bytes ?? 0)));

    const controller = new AbortController();
    const stop = (event: InspectProgress) => event.bytes < event.total && controller.abort("enough");
    const aborted = inspectModel(files.dit, { sha256: true, signal: controller.signal, onProgress: stop });
    await assert.rejects(aborted, (reason) => reason === "enough");
  });

  test("a pickle, of which nothing is known before it loads", async () => {
    const pickle = path.join(await mkdtemp(path.join(folder, "pickle-")), "model.ckpt");
    await writeFile(pickle, "PK\x03\x04 and more");
    const [file] = (await inspectModel(pickle)).files;
    assert.deepEqual([file?.format, file?.layout, file?.bytes, file?.parts], ["checkpoint", "unknown", 13, {}]);
  });

  test("a URL: the header alone, with the token for its host", async () => {
    await using server = await fileServer(async (request, response) => sendFile(request, response, await readFile(files.taesd)));
    const found = await inspectModel(`${server.url}/taesd3.gguf`, { token: "secret" });
    assert.equal(found.files[0]?.kind, "TAESD3");
    assert.deepEqual(found.options, { taesd: `${server.url}/taesd3.gguf` });
    assert.match((await inspectModel([`${server.url}/taesd3.gguf`])).problem ?? "", /expected a file of this machine/);
    assert.equal(server.requests[0]?.authorization, "Bearer secret");
    assert.equal(server.requests.length, 2, "one for each call");
    await assert.rejects(inspectModel(`${server.url}/taesd3.gguf`, { sha256: true }), { code: "ERR_INVALID_OPTION", message: /^sha256: / });
  });

  test("wrong options and damaged files are errors", async () => {
    const wrong: [unknown, unknown, string][] = [
      [7, {}, "source"],
      [[], {}, "source"],
      [["a", ""], {}, "source[1]"],
      ["a", { sha: true }, "sha"],
      ["a", { sha256: 1 }, "sha256"],
    ];
    for (const [source, options, option] of wrong) {
      await assert.rejects(inspectModel(source as string, options as object), { code: "ERR_INVALID_OPTION", path: option });
    }
    const cut = path.join(await mkdtemp(path.join(folder, "cut-")), "cut.gguf");
    await writeFile(cut, (await readFile(files.taesd)).subarray(0, 100));
    await assert.rejects(inspectModel([files.dit, cut]), { code: "ERR_MODEL_FILE", file: cut, offset: 100 });
    await assert.rejects(inspectModel(files.dit, { signal: AbortSignal.abort("never") }), (reason) => reason === "never");
  });
});

describe("sdcpp inspect", () => {
  function sdcpp(...args: string[]) {
    const cli = path.join(__dirname, "../../../lib/cli/cli.ts");
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", cli, ...args], { encoding: "utf8" });
    return { status, stdout, stderr };
  }

  test("prints what each file is, and the model they make", () => {
    const { status, stdout, stderr } = sdcpp("inspect", files.dit, files.clipL);
    assert.deepEqual([status, stderr], [0, ""]);
    for (const line of [
      /^.*sd3.5_medium.gguf$/,
      /^ {2}is +Stable Diffusion 3.5 Medium \(diffusion-only\)$/,
      /^ {2}title +a title$/,
      /^ {2}format +gguf, [\d.]+ GB$/,
      /^ {2}diffusion 2.47 billion parameters, [\d.]+ GB: .*\d+ q8_0/,
      /^ {2}pictures +up to 6144 x 6144$/,
      /^ {2}license +Stability AI Community License \(implied by its kind\)$/,
      /^ {2}option +diffusionModel \(--diffusion-model\)$/,
      /^ {2}--clip-l .*clip_l.gguf$/,
      /^ {2}optional: clipG, for example text_encoders\/clip_g.safetensors of Comfy-Org/,
      /^ {2}missing: vae, for example/,
      /^ {2}not complete: No VAE: /,
    ]) {
      assert.match(stdout, new RegExp(line, "m"));
    }
  });

  test("--json for programs, --sha256; a LoRA alone is no incomplete model", () => {
    const { status, stdout } = sdcpp("inspect", "--json", files.dit, files.clipL, files.taesd);
    const { files: found, loadable } = JSON.parse(stdout);
    assert.deepEqual([status, found.length, loadable, found[0].metadata.big], [0, 3, true, String(2n ** 60n)]);
    const lora = sdcpp("inspect", files.lora, "--sha256");
    assert.match(lora.stdout, /is +LoRA \(foreign\)/);
    assert.match(lora.stdout, /sha256 +[0-9a-f]{64}$/m);
    assert.doesNotMatch(lora.stdout, /together|complete/);
  });

  test("a damaged file: exit code 1, through every command that reads models", async () => {
    const damaged = path.join(await mkdtemp(path.join(folder, "damaged-")), "damaged.gguf");
    await writeFile(damaged, (await readFile(files.taesd)).subarray(0, 5000));
    const output = path.join(folder, "never.gguf");
    for (const args of [
      ["inspect", damaged],
      ["generate", "x", "--model", damaged],
      ["generate", "x", "--files", files.dit, files.clipL, damaged],
      ["convert", damaged, "--type", "q8_0", "-o", output],
      ["upscale", path.join(__dirname, "../../fixtures/none.png"), "--model", damaged],
    ]) {
      const { status, stderr } = sdcpp(...args);
      assert.match(stderr, /damaged.gguf is truncated: .* \(byte 5000\) \(ERR_MODEL_FILE\)/, args.join(" "));
      assert.equal(status, 1);
    }
    assert.equal(sdcpp("inspect").status, 2);
  });
});
