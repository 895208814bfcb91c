import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isolated } from "../../lib/engine/isolation/isolated.js";
import { fromNative } from "../../lib/errors.js";
import {
  DisposedError,
  EngineAssertionError,
  type GenerateOptions,
  type GenerationEvent,
  Image,
  InvalidOptionError,
  loadModel,
  loadUpscaler,
  type Model,
  type ModelOptions,
  reproduce,
} from "../../lib/index.js";
import { clipL, esrgan, fileOf, largeShaped, overwritten, taesd3 } from "../helpers/checkpoints.js";
import { pictureHash } from "../helpers/pixels.js";
import { alive, children, gone, latest, rejection } from "../helpers/processes.js";
import { collect, drawHash, loadSmall, quick } from "../helpers/runs.js";

let here: Model;
let model: Model;
const log: string[] = [];

before(async () => {
  here = await loadSmall({ maxQueue: 3 });
  model = await loadSmall({ maxQueue: 3, isolate: true, onLog: ({ text }) => log.push(text) });
});
after(async () => {
  await here.dispose();
  await model.dispose();
});

/** An event without what differs from run to run: times and log lines. */
function essence(event: GenerationEvent): unknown {
  if (event.type === "progress") return { ...event, secondsPerStep: 0, eta: 0 };
  if (event.type === "preview") return { ...event, preview: pictureHash(event.preview) };
  if (event.type === "image") return { ...event, image: pictureHash(event.image), text: event.image.parameters };
  return event;
}

async function draw(owner: Model, options: Partial<GenerateOptions>) {
  const run = owner.generate({ ...quick, ...options });
  const { events, error } = await collect(run);
  assert.equal(error, undefined);
  return { events: events.filter(({ type }) => type !== "log").map(essence), ...(await run) };
}

/** A run that goes on until it is canceled; resolves when it samples. */
async function occupy(owner: Model): Promise<() => Promise<void>> {
  const run = owner.generate({ ...quick, steps: 1000 });
  for await (const event of run) if (event.type === "phase" && event.phase === "sample") break;
  return async () => {
    run.cancel("enough");
    await assert.rejects(run, (reason) => reason === "enough");
  };
}

test("the model tells the same about itself", async () => {
  assert.deepEqual(model.info, here.info);
  assert.deepEqual(model.memory(), here.memory());
  const prompt = "a (red:1.2) circle, ".repeat(20);
  assert.deepEqual(await model.countTokens(prompt), await here.countTokens(prompt));
});

test("the same events, pictures and parameters", async () => {
  const size = { width: 32, height: 32 };
  const gray = new Uint8Array(32 * 32).map((_, i) => (i % 32 > 15 ? 255 : 0));
  const initImage = new Image(new Uint8Array(32 * 32 * 3).fill(90), 32, 32, 3);
  const cases: Partial<GenerateOptions>[] = [
    { steps: 3, batchCount: 2, preview: true, prompt: "ein Kreis ⭕ \u{1f534}" },
    { initImage, strength: 0.6, steps: 4 },
    { initImage: { data: initImage.data, ...size, channels: 3 }, mask: { data: gray, ...size, channels: 1 } },
    { hires: { scale: 2, steps: 1 }, seed: 2n ** 63n - 1n, preview: { every: 2 } },
    {
      initImage,
      noiseLevel: 0.5,
      steps: 4,
      cfgScale: 2,
      guidance: { end: 0.5 },
      variationSeed: 2n ** 62n,
      variationStrength: 0.3,
      batchCount: 2,
    },
    { initImage, outpaint: { left: 16 }, width: undefined, height: undefined, scheduler: "beta" },
  ];
  for (const options of cases) {
    const [expected, got] = [await draw(here, { ...size, ...options }), await draw(model, { ...size, ...options })];
    assert.deepEqual(got.events, expected.events);
    assert.deepEqual([got.parameters, got.seeds], [expected.parameters, expected.seeds]);
    assert.deepEqual(Object.keys(got.timings), Object.keys(expected.timings));
    for (const { data } of got.images) assert.equal(data.buffer.byteLength, data.byteLength, "pixels have a buffer of their own");
  }
  assert.ok(log.length > 0, "onLog hears the engine");
});

test("reproduce", async () => {
  const { images } = await here.generate(quick);
  const { identical, changes } = await reproduce(images[0] as Image, model);
  assert.deepEqual({ identical, changes }, { identical: true, changes: [] });
});

test("tokens are counted, and mistakes named, while a picture is drawn", async () => {
  const stop = await occupy(model);
  assert.equal((await model.countTokens("a red circle")).clipL?.tokens, 3);
  const tooLong = "circle ".repeat(2000);
  const refused = (owner: Model) => rejection(owner.generate({ ...quick, prompt: tooLong }));
  const [expected, got] = [await refused(here), await refused(model)];
  assert.ok(got instanceof InvalidOptionError);
  assert.deepEqual([got.path, got.message, got.code], ["prompt", expected.message, expected.code]);
  assert.match(got.stack ?? "", /isolation\.test/);
  await stop();
});

test("the line: priority, places, maxQueue", async () => {
  const stop = await occupy(model);
  const order: string[] = [];
  const watch = async (name: string, options: Partial<GenerateOptions>) => {
    const places: number[] = [];
    for await (const event of model.generate({ ...quick, ...options })) {
      if (event.type === "queued") places.push(event.position);
      if (event.type === "image") order.push(name);
    }
    return places;
  };
  const runs = [watch("low", { priority: -1 }), watch("middle", {}), watch("high", { priority: 1 })];
  await assert.rejects(model.generate(quick), { code: "ERR_QUEUE_FULL" });
  await stop();
  assert.deepEqual(await Promise.all(runs), [[1, 2, 3, 2, 1], [1, 2, 1], [1]]);
  assert.deepEqual(order, ["high", "middle", "low"]);
  const { timings } = await model.generate(quick);
  assert.ok(timings.queued >= 0 && timings.queued <= timings.total + 60);
});

test("cancel: running, waiting, and while loading", async () => {
  const reference = await drawHash(here);
  const stop = await occupy(model);
  const waiting = model.generate(quick);
  const behind = collect(model.generate(quick));
  waiting.cancel("not now");
  await assert.rejects(waiting, (reason) => reason === "not now");
  await stop();
  assert.deepEqual((await behind).events[0], { type: "queued", position: 2 });
  assert.equal(await drawHash(model), reference);

  const controller = new AbortController();
  const load = loadSmall({ isolate: true, signal: controller.signal, onProgress: () => controller.abort("stop") });
  await assert.rejects(load, (reason) => reason === "stop");
  await gone(latest().pid as number);
});

test("two isolated models draw at the same time, neither waits for one in this process", async () => {
  const stop = await occupy(here);
  const stopToo = await occupy(model);
  await using third = await loadSmall({ isolate: true, rng: "cpu" });
  assert.match(await drawHash(third), /^[0-9a-f]{64}$/);
  await stop();
  await stopToo();
});

test("files that cannot be used give the same errors, and no process stays", async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3(), threads: 1 };
  const cases: ModelOptions[] = [
    { diffusionModel: await fileOf("text.gguf", "not a model at all, but text") },
    { diffusionModel: files.clipL },
    { clipL: undefined },
    { clipL: files.taesd },
    { backend: "cuda:7" },
    { diffusionModel: await overwritten(files.diffusionModel, 8, new Uint8Array(8).fill(0x7f)) },
  ];
  for (const change of cases) {
    const fail = (isolate: boolean) => rejection(loadModel({ ...files, ...change, isolate }));
    const [expected, got] = [await fail(false), await fail(true)];
    assert.deepEqual(
      [got.constructor, got.code, got.message, got.log],
      [expected.constructor, expected.code, expected.message, expected.log],
    );
    assert.match(got.stack ?? "", /isolation\.test/);
  }
  const open = children.filter(({ pid }) => pid && alive(pid));
  assert.deepEqual(open.length, 1, "the model's own");
});

test("an engine assertion is an error of its run, and the process goes on", async () => {
  const { pid } = latest();
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
  const raw = await isolated().load({ ...files, threads: 1 }, () => {}).promise;
  const params = { prompt: "x", steps: 1, cfgScale: 1, seed: 1n, height: 64 };
  // What lib/options/ keeps away from the engine.
  const error = fromNative(await rejection(raw.generate({ ...params, width: 8192 }, () => {}).promise), "");
  assert.ok(error instanceof EngineAssertionError);
  assert.match(error.message, /^src\/model\/diffusion\/mmdit\.hpp:\d+: GGML_ASSERT/);
  const timings = await raw.generate({ ...params, width: 64 }, () => {}).promise;
  assert.ok(timings.total > 0);
  await raw.dispose();
  assert.notEqual(latest().pid, pid);
});

test("dispose in mid-run and with one in line: both reject, and the process is gone", async () => {
  const other = await loadSmall({ isolate: true });
  const pid = latest().pid as number;
  await occupy(other);
  const ends = Promise.allSettled([other.generate(quick), other.generate(quick)]);
  await Promise.all([other.dispose(), other.dispose()]);
  assert.ok(!alive(pid));
  for (const end of await ends) assert.ok(end.status === "rejected" && end.reason instanceof DisposedError);
  await assert.rejects(other.generate(quick), { code: "ERR_DISPOSED" });
  await assert.rejects(other.countTokens("x"), { code: "ERR_DISPOSED" });
});

test("the process of a model that nobody has any more ends", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const pid = await (async () => {
    const forgotten = await loadSmall({ isolate: true, onLog: () => {} });
    await drawHash(forgotten);
    return latest().pid as number;
  })();
  for (let round = 0; alive(pid) && round < 500; round++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(!alive(pid));
});

test("an upscaler", async () => {
  const options = { model: await esrgan(2), threads: 1 };
  const picture = new Image(
    new Uint8Array(40 * 30 * 3).map((_, i) => i % 251),
    40,
    30,
    3,
  );
  await using inside = await loadUpscaler(options);
  const apart = await loadUpscaler({ ...options, isolate: true });
  const pid = latest().pid as number;
  assert.deepEqual(apart.info, inside.info);
  assert.equal(pictureHash(await apart.upscale(picture)), pictureHash(await inside.upscale(picture)));
  const large = new Image(new Uint8Array(512 * 512 * 3), 512, 512, 3);
  const crashed = apart.upscale(large, { onProgress: () => process.kill(pid, "SIGKILL") });
  await assert.rejects(crashed, { code: "ERR_ENGINE_CRASH", signal: "SIGKILL", message: /phase "upscale"/, stack: /isolation\.test/ });
  assert.equal(pictureHash(await apart.upscale(picture)), pictureHash(await inside.upscale(picture)));
  await apart.dispose();
});
