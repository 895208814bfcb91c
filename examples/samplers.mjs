// One picture with each sampler, side by side. Usage: node examples/samplers.mjs [folder]
import path from "node:path";
import { loadModel } from "node-sd-cpp";
import sharp from "sharp";

const folder = process.argv[2] ?? ".";
const samplers =
  "euler euler_a heun dpm2 dpm++2s_a dpm++2m ipndm ipndm_v lcm ddim_trailing res_multistep res_2s er_sde euler_cfg_pp euler_ge";
const model = await loadModel({ preset: "demo", threads: 1 });
const tiles = [];
for (const [index, sampler] of samplers.split(" ").entries()) {
  const cfgScale = sampler === "euler_cfg_pp" ? 1.5 : 1;
  const { images, timings } = await model.generate({ prompt: "a red star on a blue background", seed: 3, steps: 4, sampler, cfgScale });
  tiles.push({ input: await images[0].encode("png"), left: (index % 5) * 128, top: Math.floor(index / 5) * 128 });
  console.log(`${sampler}: ${(timings.sample / 4).toFixed(2)} s a step`);
}
const file = path.join(folder, "samplers.png");
await sharp({ create: { width: 640, height: 384, channels: 3, background: "black" } })
  .composite(tiles)
  .toFile(file);
console.log(`wrote ${file}`);
await model.dispose();
