import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  DisposedError,
  type GenerateOptions,
  type Generation,
  type GenerationEvent,
  Image,
  loadUpscaler,
  type Model,
  type ModelOptions,
} from "../../lib/index.js";
import { esrgan } from "../helpers/checkpoints.js";
import { kohyaLora } from "../helpers/loras.js";
import { pictureHash } from "../helpers/pixels.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

/** Lives through all of it, and must draw the same bytes after each. */
let other: Model;
let reference: string;

before(async () => {
  other = await loadSmall();
  reference = await drawHash(other);
});
after(() => other.dispose());

const long = { ...quick, steps: 1000 };
const picture = new Image(new Uint8Array(64 * 64 * 3).fill(90), 64, 64, 3);

/** Resolves when the run is there; the run goes on. */
async function reach(run: Generation, there: (event: GenerationEvent) => boolean): Promise<void> {
  for await (const event of run) if (there(event)) return;
  assert.fail("the run ended before it got there");
}

const inPhase = (phase: string) => (event: GenerationEvent) => event.type === "phase" && event.phase === phase;

/** Starts a run of the model and waits until it enters a phase. */
async function runInto(model: Model, phase: string, options: Partial<GenerateOptions> = {}): Promise<Generation[]> {
  const run = model.generate({ ...quick, ...options });
  await reach(run, inPhase(phase));
  return [run];
}

/** What brings a model into a state, and returns the runs that its disposal has to stop. */
interface State {
  name: string;
  options?: ModelOptions;
  enter(model: Model): Generation[] | Promise<Generation[]>;
}

const states: State[] = [
  { name: "never used", enter: () => [] },
  {
    name: "after a run",
    enter: async (model) => {
      await model.generate(quick);
      return [];
    },
  },
  { name: "in the tick of generate()", enter: (model) => [model.generate(quick), model.generate(quick)] },
  { name: "while it reads a picture", enter: (model) => [model.generate({ ...quick, initImage: picture.toSharp() })] },
  { name: "in encode", enter: (model) => runInto(model, "encode") },
  { name: "in sample", enter: (model) => runInto(model, "sample", { steps: 1000 }) },
  { name: "in decode", enter: (model) => runInto(model, "decode", { width: 256, height: 256, steps: 1 }) },
  {
    name: "while LoRAs are merged",
    options: { loraApplyMode: "immediately" },
    enter: async (model) => runInto(model, "load", { loras: [{ path: await kohyaLora(24) }] }),
  },
  {
    name: "between two previews",
    enter: async (model) => {
      const run = model.generate({ ...long, preview: true });
      await reach(run, ({ type }) => type === "preview");
      return [run];
    },
  },
  {
    name: "with one running and two in line",
    enter: async (model) => {
      const runs = [model.generate(long)];
      await reach(runs[0] as Generation, inPhase("sample"));
      runs.push(model.generate(quick), model.generate({ ...quick, priority: 5 }));
      return runs;
    },
  },
];

describe("dispose in every state: runs reject, memory() throws, another model draws the same bytes", () => {
  for (const { name, options, enter } of states) {
    it(name, async () => {
      const model = await loadSmall({ promptCache: 0, ...options });
      const runs = await enter(model);
      const ends = Promise.allSettled(runs);
      const disposal = model.dispose();
      assert.equal(model.dispose(), disposal, "the second call returns the same promise");
      await disposal;
      for (const end of await ends) assert.ok(end.status === "rejected" && end.reason instanceof DisposedError);
      await assert.rejects(model.generate(quick), DisposedError);
      await assert.rejects(model.countTokens("x"), DisposedError);
      assert.throws(() => model.memory(), DisposedError);
      await model.dispose();
      assert.equal(await drawHash(other), reference);
    });
  }

  it("while another model's run holds it in line", async () => {
    const model = await loadSmall();
    const busy = other.generate({ ...quick, steps: 4 });
    await reach(busy, inPhase("encode"));
    const waiting = assert.rejects(model.generate(quick), DisposedError);
    const disposal = model.dispose();
    await waiting;
    await busy;
    await disposal;
    assert.equal(await drawHash(other), reference);
  });

  it("by a listener of its own run, at each event", async () => {
    const model = await loadSmall({ promptCache: 0 });
    const run = model.generate({ ...quick, batchCount: 3, preview: true });
    const stopped = (async () => {
      for await (const event of run) if (event.type === "image") await model.dispose();
    })();
    await assert.rejects(stopped, DisposedError);
    assert.equal(pictureHash(run.images[0] as Image), reference, "its finished pictures stay");
    const heard = await loadSmall({ onLog: () => void heard?.dispose() });
    await assert.rejects(heard.generate(quick), DisposedError);
    await heard.dispose();
  });

  it("while another model loads, and by `await using` after dispose()", async () => {
    await using model = await loadSmall();
    const loading = loadSmall();
    await Promise.all([model.dispose(), loading]);
    assert.equal(await drawHash(await loading), reference);
    await (await loading).dispose();
  });
});

describe("dispose of an upscaler", () => {
  const load = async () => loadUpscaler({ model: await esrgan(2), threads: 1, tileSize: 32 });
  const large = new Image(new Uint8Array(200 * 200 * 3).fill(90), 200, 200, 3);

  it("never used, twice", async () => {
    const upscaler = await load();
    const disposal = upscaler.dispose();
    assert.equal(upscaler.dispose(), disposal);
    await disposal;
    await assert.rejects(upscaler.upscale(large), DisposedError);
  });

  it("between two tiles, with another call in line", async () => {
    const upscaler = await load();
    const calls = [upscaler.upscale(large, { onProgress: () => void upscaler.dispose() }), upscaler.upscale(large)];
    for (const end of await Promise.allSettled(calls)) assert.ok(end.status === "rejected" && end.reason instanceof DisposedError);
    await upscaler.dispose();
    assert.equal(await drawHash(other), reference);
  });

  it("while a picture is drawn", async () => {
    const upscaler = await load();
    const busy = other.generate(quick);
    const waiting = assert.rejects(upscaler.upscale(large), DisposedError);
    await new Promise(setImmediate);
    const disposal = upscaler.dispose();
    await waiting;
    assert.equal(pictureHash((await busy).images[0] as Image), reference);
    await disposal;
  });
});
