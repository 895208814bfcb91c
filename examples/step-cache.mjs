// Draws one picture with each step cache and tells the time it took: node examples/step-cache.mjs [output folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo" });
for (const cache of [false, "easycache", "dbcache", "spectrum"]) {
  const { images, timings } = await model.generate({ prompt: "a red circle on a blue background", seed: 7, steps: 20, cache });
  const file = path.join(folder, `cache-${cache || "off"}.png`);
  await images[0].toFile(file);
  console.log(`${file}: ${timings.sample.toFixed(2)} s`);
}
await model.dispose();
