// Draws every job of FOLDER/jobs.json to a PNG beside it, with node-sd-cpp.
// usage: node draw.mjs FOLDER [--models DIR] [--steps 8] [--cfg 1] [--threads N]
// DIR holds demo-{mmdit,clip_l,tae}.gguf; without it the shipped demo checkpoint draws.
// --threads 1 is best on a machine that is busy with something else.
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { loadModel } from "node-sd-cpp";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: "string" },
    steps: { type: "string", default: "8" },
    cfg: { type: "string", default: "1" },
    threads: { type: "string" },
  },
});
const [folder] = positionals;
if (!folder) throw new Error("usage: node draw.mjs FOLDER [--models DIR] [--steps 8] [--cfg 1] [--threads N]");

const part = (name) => path.join(values.models, `demo-${name}.gguf`);
const model = await loadModel({
  ...(values.models
    ? { diffusionModel: part("mmdit"), clipL: part("clip_l"), taesd: part("tae"), family: "demo" }
    : { preset: "demo" }),
  threads: values.threads ? Number(values.threads) : undefined,
});
try {
  const jobs = JSON.parse(readFileSync(path.join(folder, "jobs.json"), "utf8"));
  const start = performance.now();
  for (const { prompt, seed, file } of jobs) {
    const { images } = await model.generate({
      prompt,
      seed,
      width: 128,
      height: 128,
      steps: Number(values.steps),
      cfgScale: Number(values.cfg),
    });
    await images[0].toFile(path.join(folder, file));
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(`${jobs.length} pictures, ${(seconds / jobs.length).toFixed(2)} s each`);
} finally {
  await model.dispose();
}
