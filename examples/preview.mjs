// Watches a picture come out of the noise: one small picture a step. node examples/preview.mjs [folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo" });
const run = model.generate({ prompt: "a red circle on a blue background", seed: 3, preview: { every: 2, mode: "taesd" } });
for await (const event of run) {
  if (event.type !== "preview" && event.type !== "image") continue;
  const name = event.type === "preview" ? `preview-step-${event.step}.png` : "preview-done.png";
  const file = path.join(folder, name);
  await (event.type === "preview" ? event.preview : event.image).toFile(file);
  console.log(file);
}
await model.dispose();
