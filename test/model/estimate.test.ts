import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { native } from "../../lib/engine/binding.js";
import { estimateMemory, InsufficientMemoryError, type ModelOptions } from "../../lib/index.js";
import { checkpoint, clipG, clipL, largeShaped, mediumShaped, t5Small, taesd3, vae } from "../helpers/checkpoints.js";
import { toFp8 } from "../helpers/fp8.js";
import { t5 } from "../helpers/layouts.js";
import { estimateOptions, measurePeak, type Trial } from "../helpers/peak.js";
import { collect, drawHash, loadSmall, quick } from "../helpers/runs.js";
import { asDiffusers, storedOf, writeShards, writeStored } from "../helpers/stored.js";

/** Medium's largest picture: without flash attention it takes two terabytes, on any machine too many. */
const vast = { width: 6144, height: 6144 };
const linux = { skip: process.platform !== "linux" && "reads /proc" };

const folder = mkdtempSync(path.join(tmpdir(), "sdcpp-estimate-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function scaledT5(): Promise<string> {
  const plain = await checkpoint("t5-f16", () => t5({ layers: 1, vocabulary: 32_128, feedForward: 64, type: "f16" }));
  const scaled = (await storedOf(plain)).flatMap((tensor) => {
    if (!/SelfAttention\.[qkvo]\.weight|shared/.test(tensor.name)) return [tensor];
    const { weight, scale } = toFp8(tensor, "e4m3", "tensor");
    return [weight, scale];
  });
  return writeStored(path.join(folder, "t5.safetensors"), scaled);
}

async function diffusersLarge(): Promise<string> {
  return writeShards(folder, "diffusion_pytorch_model", asDiffusers(await storedOf(await largeShaped())), 2);
}

/** Files by what is in them, and pictures; larger ones are measured by `npm run memory`. */
async function trials(): Promise<Record<string, Trial>> {
  const [large, large8, medium, medium8] = await Promise.all([largeShaped(), largeShaped("q8_0"), mediumShaped(), mediumShaped("q8_0")]);
  const [l, g, t5xxl, tiny, full] = await Promise.all([clipL(), clipG(), t5Small(), taesd3(), vae()]);
  const square = (side: number) => ({ width: side, height: side });
  return {
    demo: { model: { preset: "demo" }, picture: square(128) },
    "Large, TAESD": { model: { diffusionModel: large, clipL: l, taesd: tiny }, picture: square(64) },
    "Large Q8_0, VAE": { model: { diffusionModel: large8, clipL: l, vae: full }, picture: square(256) },
    "Medium, CLIP-L and T5": { model: { diffusionModel: medium, clipL: l, t5xxl, taesd: tiny }, picture: square(64) },
    "Medium Q8_0, tiles": {
      model: { diffusionModel: medium8, clipL: l, taesd: tiny },
      picture: { ...square(256), vaeTiling: { tileSize: 128, overlap: 0 } },
    },
    "Large, CLIP-G, on disk": {
      model: { diffusionModel: large, clipG: g, clipL: l, taesd: tiny, offload: { params: "disk" } },
      picture: square(64),
    },
    "T5 in fp8 with factors": { model: { diffusionModel: large, clipL: l, t5xxl: await scaledT5(), taesd: tiny }, picture: square(64) },
    "Large in diffusers' names, mapped": {
      model: { diffusionModel: await diffusersLarge(), clipL: l, vae: full, mmap: true },
      picture: square(64),
    },
    "Large, CLIP-L to F32": { model: { diffusionModel: large, clipL: l, taesd: tiny, weightType: "f32" }, picture: square(64) },
  };
}

test("the estimate is within 10 % of the measured peak", linux, async (t) => {
  for (const [name, trial] of Object.entries(await trials())) {
    await t.test(name, async () => {
      const estimate = await estimateMemory(estimateOptions(trial));
      const { peak } = await measurePeak(trial);
      const ratio = (estimate.devices.cpu?.peak ?? 0) / peak;
      t.diagnostic(`${name}: ${(peak / 1e6).toFixed(0)} MB, estimate ${((ratio - 1) * 100).toFixed(1)} %`);
      // Pages of mapped files that a picture does not read again (most of a table of tokens) may be missing.
      const missing = (estimate.devices.cpu?.mapped ?? 0) / peak;
      assert.ok(ratio > 0.9 && ratio < 1.1 + missing, `estimated ${ratio} of ${peak} bytes`);
    });
  }
});

test("computations take what the engine allocates for them, to the byte", async () => {
  const sizes = new Map<string, string>();
  const onLog: ModelOptions["onLog"] = ({ text }) => {
    const [, runner = "", size = ""] = /(\w+) compute buffer size: ([\d.]+) MB/.exec(text) ?? [];
    if (Number(size) > Number(sizes.get(runner) ?? 0)) sizes.set(runner, size); // a CLIP's first chunk takes more than the others
  };
  const diffusionModel = await mediumShaped();
  const files = { diffusionModel, clipL: await clipL(), t5xxl: await t5Small(), vae: await vae() };
  await using model = await loadSmall({ ...files, taesd: undefined, promptCache: 0, onLog });
  const seen = (estimate: Awaited<ReturnType<typeof estimateMemory>>, name: string) => {
    return ((estimate.parts[name]?.compute ?? 0) / 2 ** 20).toFixed(2);
  };
  const pictures = [
    { width: 64, height: 64 },
    { width: 128, height: 80, vaeTiling: { tileSize: 64 } },
    { width: 64, height: 64, hires: { scale: 1.5, steps: 1 } },
  ];
  for (const picture of pictures) {
    sizes.clear();
    await drawHash(model, { ...picture, steps: 1, prompt: "a red circle ".repeat(40) });
    const { clipL, t5xxl } = await model.countTokens("a red circle ".repeat(40));
    assert.ok(clipL && clipL.chunks > 1 && t5xxl && t5xxl.positions % 77 > 0);
    const estimate = await estimateMemory({ ...files, ...picture, chunks: clipL.chunks, t5Tokens: t5xxl.positions, threads: 1 });
    const estimated = {
      mmdit: seen(estimate, "diffusion"),
      vae: seen(estimate, "vae"),
      clip: seen(estimate, "clipL"),
      t5: seen(estimate, "t5xxl"),
    };
    assert.deepEqual(Object.fromEntries(sizes), estimated);
  }
});

test("weights are those of the loaded model", async () => {
  const files = { diffusionModel: await largeShaped("q8_0"), clipL: await clipL(), taesd: await taesd3() };
  for (const weightType of [undefined, "q4_0"] as const) {
    await using model = await loadSmall({ ...files, weightType });
    const { parts, width, height } = await estimateMemory({ ...files, weightType });
    assert.deepEqual([width, height], [model.info.defaults.width, model.info.defaults.height]);
    for (const [name, bytes] of Object.entries(model.memory().parts)) {
      const weights = parts[name]?.weights ?? 0;
      assert.ok(weights >= bytes && weights < bytes * 1.001 + 4096, `${name}: ${weights}, ${bytes} in memory`); // aligned
    }
    assert.ok((model.memory().free.cpu ?? 0) > 0);
  }
});

test("a picture that cannot fit is refused while another is drawn, whose memory counts as free", async () => {
  await using model = await loadSmall({ diffusionModel: await mediumShaped(), flashAttention: false });
  const hash = await drawHash(model);
  const usual = model.generate({ ...quick, steps: 4 });
  let held = { device: "", bytes: 0 };
  for await (const event of usual) {
    if (event.type !== "progress" || event.phase !== "sample" || held.bytes) continue;
    held = native().heldMemory();
    const refused = model.generate({ ...quick, ...vast });
    const { events, error } = await collect(refused);
    const { code, needed, available } = error as InsufficientMemoryError;
    assert.deepEqual([events, code], [[], "ERR_INSUFFICIENT_MEMORY"]);
    assert.ok((needed ?? 0) > (available ?? 0));
  }
  await usual;
  const estimate = await estimateMemory({ ...model.info.files, width: 64, height: 64, flashAttention: false });
  assert.deepEqual(held, { device: "CPU", bytes: estimate.parts.diffusion?.compute });
  assert.deepEqual(native().heldMemory(), { device: "", bytes: 0 });
  assert.equal(await drawHash(model), hash);
});

test("the same from an isolated process", async () => {
  await using model = await loadSmall({ diffusionModel: await mediumShaped(), flashAttention: false, isolate: true });
  const usual = model.generate({ ...quick, steps: 4 });
  const waiting = await collect(model.generate({ ...quick, ...vast })); // refused in line, while the other is drawn
  assert.deepEqual((waiting.error as InsufficientMemoryError).code, "ERR_INSUFFICIENT_MEMORY");
  await usual;
  const { error } = await collect(model.generate({ ...quick, ...vast }));
  assert.ok(error instanceof InsufficientMemoryError && (error.needed ?? 0) > (error.available ?? 0), String(error));
  assert.ok(error.suggestions.length > 0);
  assert.ok((model.memory().free.cpu ?? 0) > 0);
  await drawHash(model);
});

test("suggestions save what they say", async () => {
  const files = { diffusionModel: await mediumShaped(), clipL: await clipL(), vae: await vae(), threads: 1 };
  const options = { ...files, ...vast, batchCount: 10, flashAttention: false };
  const estimate = await estimateMemory(options);
  assert.equal(estimate.fits, false);
  const texts = estimate.suggestions.map(({ text }) => text);
  assert.ok(texts.includes("flashAttention: true"), texts.join());
  for (const { options: change, saves, fits } of estimate.suggestions) {
    const changed = await estimateMemory({ ...options, ...change });
    const needed = ({ devices: { cpu } }: typeof estimate) => (cpu?.peak ?? 0) - (cpu?.mapped ?? 0);
    assert.deepEqual([needed(estimate) - needed(changed), changed.fits], [saves, fits]);
  }
  assert.deepEqual((await estimateMemory({ ...files, width: 64, height: 64 })).suggestions, []);
});

test("what cannot be loaded is not estimated, and a signal stops it", async () => {
  const clip = await clipL();
  await assert.rejects(estimateMemory({ diffusionModel: await largeShaped(), clipL: clip }), { code: "ERR_MISSING_COMPONENT" });
  await assert.rejects(estimateMemory({ diffusionModel: clip }), { code: "ERR_UNSUPPORTED_MODEL" });
  await assert.rejects(estimateMemory({ preset: "demo", width: 16_384 }), { code: "ERR_INVALID_OPTION", path: "width" });
  await assert.rejects(estimateMemory({ preset: "demo", preview: { mode: "vae" } }), { code: "ERR_INVALID_OPTION", path: "preview.mode" });
  const reason = new Error("enough");
  await assert.rejects(estimateMemory({ preset: "demo", signal: AbortSignal.abort(reason) }), reason);
});

test("under a limit: what does not fit is refused before it is read, and with force it fails as lack of memory", linux, async () => {
  const files = { diffusionModel: await largeShaped(), clipL: await clipL(), threads: 1 };
  const small: ModelOptions = { ...files, taesd: await taesd3() };
  const large: ModelOptions = { ...files, clipG: await clipG(), t5xxl: await t5Small(), vae: await vae(), weightType: "f32" };
  const run = promisify(execFile);
  const node = [process.execPath, path.join(__dirname, "../fixtures/limited-load.cjs")] as const;
  const { stdout: addresses } = await run(node[0], [node[1]]);
  const kilobytes = Math.ceil((Number(addresses) + 1500e6) / 1024);
  const { stdout } = await run("sh", ["-c", `ulimit -v ${kilobytes} && exec "$@"`, "sh", ...node, JSON.stringify([large, small])]);
  const { refused, forced, drawn, tooLarge } = JSON.parse(stdout);
  assert.equal(refused.code, "ERR_INSUFFICIENT_MEMORY");
  assert.match(
    refused.message,
    /^The model needs 4\.\d\d GB of addresses, but 1\.\d\d GB is left in the limit of ulimit -v\. What helps: /,
  );
  assert.ok(refused.needed > 4e9 && refused.available < 1.5e9);
  assert.ok(
    refused.suggestions.some((text: string) => text.startsWith("a smaller quantization, as weightType: ")),
    refused.suggestions.join(),
  );
  assert.equal(forced.code, "ERR_INSUFFICIENT_MEMORY");
  assert.match(forced.message, /^memory did not suffice: .*(failed to allocate|insufficient memory)/);
  assert.deepEqual(drawn, { code: "done" });
  assert.equal(tooLarge.code, "ERR_INSUFFICIENT_MEMORY");
  assert.match(tooLarge.message, /^A picture of 1024x1024 needs \d\.\d\d GB of addresses, .* The option force /);
});
