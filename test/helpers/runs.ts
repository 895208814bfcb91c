import { type GenerateOptions, type GenerationEvent, loadModel, type Model, type ModelOptions } from "../../lib/index.js";
import { clipL, largeShaped, taesd3 } from "./checkpoints.js";
import { pictureHash } from "./pixels.js";

/** The cheapest run: one thread (ggml's threads spin, and test machines are busy), 64x64, two steps, no negative pass. */
export const quick = { prompt: "a red circle", width: 64, height: 64, steps: 2, cfgScale: 1, seed: 7 } satisfies GenerateOptions;

/** The random-weight model that most tests use. */
export async function loadSmall(options: ModelOptions = {}): Promise<Model> {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
  return loadModel({ ...files, threads: 1, ...options });
}

/** Draws one picture; returns its hash. */
export async function drawHash(model: Model, options: Partial<GenerateOptions> = {}): Promise<string> {
  const { images } = await model.generate({ ...quick, ...options });
  if (!images[0]) throw new Error("no picture");
  return pictureHash(images[0]);
}

/** All events of a run, and its error instead of throwing it. */
export async function collect(run: AsyncIterable<GenerationEvent>): Promise<{ events: GenerationEvent[]; error?: unknown }> {
  const events: GenerationEvent[] = [];
  try {
    for await (const event of run) events.push(event);
    return { events };
  } catch (error) {
    return { events, error };
  }
}
