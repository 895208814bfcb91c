// A sentence for T5, keywords for the CLIPs: node examples/t5-prompt.mjs folder diffusion.gguf clip_l t5xxl vae [clip_g]
import path from "node:path";
import { loadModel } from "node-sd-cpp";

const [folder = ".", diffusionModel, clipL, t5xxl, vae, clipG] = process.argv.slice(2);
const model = await loadModel({ diffusionModel, clipL, clipG, t5xxl, vae });

const prompt = "lighthouse, storm, oil painting, dramatic light";
const t5Prompt = 'An oil painting of a lighthouse in a storm. A sign on the door says "closed".';
console.log(await model.countTokens(prompt, { t5Prompt }));

const { images } = await model.generate({ prompt, t5Prompt, seed: 7 });
const file = path.join(folder, "t5-prompt.png");
await images[0].toFile(file);
console.log(file);
await model.dispose();
