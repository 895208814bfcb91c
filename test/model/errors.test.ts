import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { native } from "../../lib/engine/binding.js";
import { DisposedError, InvalidOptionError, loadModel, type Model, type ModelOptions } from "../../lib/index.js";
import { clipL, fileOf, largeShaped, overwritten, taesd3, truncated } from "../helpers/checkpoints.js";
import { collect, drawHash, loadSmall, quick } from "../helpers/runs.js";

let model: Model;
let files: { diffusionModel: string; clipL: string; taesd: string };

before(async () => {
  files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
  model = await loadSmall();
});
after(() => model.dispose());

test("files that cannot be a model are refused with their option's name", async () => {
  const { size } = await stat(files.diffusionModel);
  const cases: [ModelOptions, string, RegExp][] = [
    [{ diffusionModel: "no/such/file.gguf" }, "ERR_MODEL_FILE", /diffusionModel.*no\/such\/file/],
    [{ clipL: tmpdir() }, "ERR_MODEL_FILE", /clipL/],
    [{ taesd: await fileOf("empty.gguf", "") }, "ERR_MODEL_FILE", /taesd/],
    [{ diffusionModel: await fileOf("text.gguf", "not a model at all, but text") }, "ERR_MODEL_FILE", /diffusionModel/],
    [{ diffusionModel: await truncated(files.diffusionModel, Math.floor(size / 2)) }, "ERR_MODEL_FILE", /truncated|could not be read/],
    [{ diffusionModel: await truncated(files.diffusionModel, 1000) }, "ERR_MODEL_FILE", /diffusionModel|could not be read/],
    [{ clipL: files.taesd }, "ERR_MODEL_FILE", /clipL|fit together/],
    [{ diffusionModel: files.clipL }, "ERR_UNSUPPORTED_MODEL", /diffusion model/],
    [{ clipL: undefined }, "ERR_MISSING_COMPONENT", /clipL/],
    [{ taesd: undefined }, "ERR_MISSING_COMPONENT", /taesd/],
    [{ backend: "cuda:7" }, "ERR_INVALID_OPTION", /backend/],
    // The count of tensors in the header, absurdly high.
    [{ diffusionModel: await overwritten(files.diffusionModel, 8, new Uint8Array(8).fill(0x7f)) }, "ERR_MODEL_FILE", /./],
  ];
  for (const [change, code, message] of cases) {
    await assert.rejects(loadModel({ ...files, threads: 1, ...change }), { code, message }, JSON.stringify(change));
  }
});

test("a picture larger than the position table is refused, and the model goes on", async () => {
  const reference = await drawHash(model);
  await assert.rejects(model.generate({ ...quick, width: 8192 }), (error) => error instanceof InvalidOptionError && error.path === "width");
  assert.equal(await drawHash(model), reference);
});

test("an engine assertion becomes an error with its place, and the context goes on", async () => {
  const job = native().load({ ...files, threads: 1 }, () => {});
  const raw = await job.promise;
  const params = { prompt: "x", steps: 1, cfgScale: 1, seed: 1n, height: 64 };
  // What lib/options/ keeps away from the engine.
  await assert.rejects(raw.generate({ ...params, width: 8192 }, () => {}).promise, {
    code: "ERR_ENGINE_ASSERTION",
    message: /^src\/model\/diffusion\/mmdit\.hpp:\d+: GGML_ASSERT/,
  });
  let pictures = 0;
  await raw.generate({ ...params, width: 64 }, (event) => {
    if (event.type === "image") pictures++;
  }).promise;
  assert.equal(pictures, 1);
  await raw.dispose();
});

test("dispose during a run and with one queued: both reject, further calls too", async () => {
  const other = await loadSmall();
  const running = other.generate({ ...quick, steps: 100 });
  const queued = other.generate(quick);
  const started = (async () => {
    for await (const event of running) if (event.type === "progress") return;
  })();
  await started;
  const ends = Promise.allSettled([running, queued]);
  await Promise.all([other.dispose(), other.dispose()]);
  for (const end of await ends) assert.ok(end.status === "rejected" && end.reason instanceof DisposedError);
  await assert.rejects(other.generate(quick), { code: "ERR_DISPOSED" });
  assert.throws(() => other.memory(), { code: "ERR_DISPOSED" });
  await other.dispose();
});

test("a wrong option rejects the run and is thrown to who iterates it", async () => {
  await assert.rejects(model.generate({ ...quick, cfgScal: 2 } as never), { code: "ERR_INVALID_OPTION", message: /cfgScale/ });
  const { events, error } = await collect(model.generate({ ...quick, steps: 0 }));
  assert.deepEqual(events, []);
  assert.ok(error instanceof TypeError);
});
