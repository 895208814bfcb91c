// What cfgScale and the negative prompt do. Usage: node examples/guidance.mjs [folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo" });
const variants = {
  plain: { cfgScale: 1 },
  guided: { cfgScale: 2 },
  negative: { cfgScale: 2, negativePrompt: "a blue background" },
  early: { cfgScale: 2, negativePrompt: "a blue background", guidance: { end: 0.5 } }, // in the first two of four steps
  "negative-alone": { cfgScale: 0, negativePrompt: "a blue background" },
};
for (const [name, options] of Object.entries(variants)) {
  const { images, timings } = await model.generate({ prompt: "a red circle", seed: 3, steps: 4, ...options });
  const file = path.join(folder, `guidance-${name}.png`);
  await images[0].toFile(file);
  console.log(`wrote ${file} (${timings.sample.toFixed(1)} s of sampling)`);
}
await model.dispose();
