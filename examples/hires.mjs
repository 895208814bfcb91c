// Draws small, enlarges, and refines by sampling again. node examples/hires.mjs [folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const file = path.join(process.argv[2] ?? ".", "hires.png");
const model = await loadModel({ preset: "demo" });
const run = model.generate({ prompt: "a yellow star on a purple background", seed: 5, hires: { scale: 1.5, steps: 4, strength: 0.6 } });
for await (const event of run) {
  if (event.type === "progress") console.log(`pass ${event.pass}, ${event.phase} ${event.step}/${event.steps}`);
}
const { images } = await run;
await images[0].toFile(file);
console.log(`${file}: ${images[0].width}x${images[0].height}`);
await model.dispose();
