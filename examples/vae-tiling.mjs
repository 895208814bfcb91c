// Decodes one picture whole and in tiles, which need less memory: node examples/vae-tiling.mjs [output folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const folder = process.argv[2] ?? ".";
const model = await loadModel({ preset: "demo" });
for (const vaeTiling of [false, { tileSize: 64, overlap: 0.25 }]) {
  const run = model.generate({ prompt: "a green star on a white background", seed: 7, vaeTiling });
  for await (const event of run) {
    if (event.type === "progress" && event.phase === "decode") console.log(`tile ${event.step} of ${event.steps}`);
  }
  const { images } = await run;
  const file = path.join(folder, vaeTiling ? "decoded-in-tiles.png" : "decoded-whole.png");
  await images[0].toFile(file);
  console.log(file);
}
await model.dispose();
