import assert from "node:assert/strict";
import type { GenerateOptions, Generation, GenerationEvent, Model } from "../../lib/index.js";
import { pictureHash } from "./pixels.js";
import { RandomBytes } from "./random.js";

/** A run to be mixed with others, and the hashes of its pictures when it runs alone. */
export interface Case {
  options: Required<Pick<GenerateOptions, "prompt" | "width" | "height" | "steps" | "cfgScale" | "batchCount">> & { seed: number };
  hashes: string[];
}

/** Draws each of the options alone. */
export async function solo(model: Model, list: Case["options"][]): Promise<Case[]> {
  const cases: Case[] = [];
  for (const options of list) cases.push({ options, hashes: (await model.generate(options)).images.map(pictureHash) });
  return cases;
}

/** Starts `count` runs at once, cancels some of them at random moments, and checks that every run had its own events and pictures only. */
export async function interleave(sources: { model: Model; cases: Case[] }[], count: number, seed: string): Promise<{ canceled: number }> {
  const bytes = new RandomBytes(seed);
  const pick = (below: number) => (bytes.next(1)[0] ?? 0) % below;
  const of = <T>(list: T[]): T => list[pick(list.length)] as T;
  const runs = Array.from({ length: count }, async (_, number) => {
    const { model, cases } = of(sources);
    const chosen = of(cases);
    const run = model.generate({ ...chosen.options, priority: pick(5) - 2 });
    const stop = pick(3) === 0 ? { after: pick(30), reason: `canceled ${seed} ${number}` } : undefined;
    return check(run, chosen, stop);
  });
  const canceled = await Promise.all(runs);
  return { canceled: canceled.filter(Boolean).length };
}

/** Follows a run to its end; true when it was canceled. */
async function check(run: Generation, { options, hashes }: Case, stop?: { after: number; reason: string }): Promise<boolean> {
  const { width, height, steps, batchCount, seed } = options;
  const expected = Array.from({ length: batchCount }, (_, image) => expectedOf(image, steps)).flat();
  const seen: string[] = [];
  let events = 0;
  let place = 0;
  const observe = (event: GenerationEvent) => {
    if (event.type === "queued") {
      assert.equal(seen.length, 0, "it waits only before it begins");
      assert.ok(event.position >= 1 && event.position !== place);
      place = event.position;
    } else if (event.type === "phase") seen.push(`${event.phase} ${event.image}`);
    else if (event.type === "progress" && event.phase === "sample") {
      assert.deepEqual([event.steps, event.images], [steps, batchCount]);
      seen.push(`step ${event.image} ${event.step}`);
    } else if (event.type === "image") {
      seen.push(`image ${event.index}`);
      assert.equal(event.seed, BigInt(seed + event.index));
      assert.deepEqual([event.image.width, event.image.height], [width, height]);
      assert.equal(pictureHash(event.image), hashes[event.index], "the picture of a run alone");
    } else if (event.type === "log") {
      const named = /generating image: .* seed (\d+)/.exec(event.text);
      if (named) assert.ok(Number(named[1]) >= seed && Number(named[1]) < seed + batchCount, `another run's log: ${event.text}`);
    }
  };
  try {
    if (stop?.after === 0) run.cancel(stop.reason);
    for await (const event of run) {
      observe(event);
      if (++events === stop?.after) run.cancel(stop.reason);
    }
  } catch (error) {
    if (error !== stop?.reason) throw error;
    assert.deepEqual(seen, expected.slice(0, seen.length), "in order up to the cancel");
    assert.deepEqual(run.images.map(pictureHash), hashes.slice(0, run.images.length));
    return true;
  }
  assert.deepEqual(seen, expected);
  assert.equal((await run).images.length, batchCount);
  return false;
}

function expectedOf(image: number, steps: number): string[] {
  const sampling = Array.from({ length: steps }, (_, step) => `step ${image} ${step + 1}`);
  return [`encode ${image}`, `sample ${image}`, ...sampling, `decode ${image}`, `image ${image}`];
}
