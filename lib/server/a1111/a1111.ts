import { readFields } from "../body.js";
import type { Convention } from "../core.js";
import { inTheirWords } from "../errors.js";
import { answerOf } from "./answer.js";
import { Drawings } from "./drawing.js";
import { extras } from "./extras.js";
import { lists } from "./lists.js";
import { progress } from "./progress.js";
import { readRequest } from "./request.js";
import { AllSettings } from "./settings.js";

/** `/sdapi/v1` of AUTOMATIC1111's web UI. */
export const a1111: Convention = {
  name: "AUTOMATIC1111",
  owns: (path) => path === "/sdapi" || path.startsWith("/sdapi/"),
  auth: "Basic",
  mount(app, core) {
    const settings = new AllSettings();
    const drawings = new Drawings(core);
    for (const kind of ["txt2img", "img2img"] as const) {
      app.post(`/sdapi/v1/${kind}`, async (context) => {
        const owner = context.get("owner");
        const wish = await readRequest(core, await readFields(context, core.options), settings.of(owner), kind);
        return context.json(await answerOf(wish, await drawings.draw(wish, owner, context.req.raw.signal)));
      });
    }
    progress(app, drawings);
    extras(app, core, settings);
    lists(app, core, settings);
  },
  errorBody: ({ code, message, param }) => {
    const detail = inTheirWords(message, param, theirs);
    return { error: code, detail, body: "", errors: detail };
  },
};

/** Options of ours that have another name there. */
const theirs: Record<string, string> = {
  initImage: "init_images",
  negativePrompt: "negative_prompt",
  cfgScale: "cfg_scale",
  batchCount: "batch_size",
  sampler: "sampler_name",
  strength: "denoising_strength",
  clipSkip: "CLIP_stop_at_last_layers",
  "hires.scale": "hr_scale",
  "hires.width": "hr_resize_x",
  "hires.height": "hr_resize_y",
  "hires.steps": "hr_second_pass_steps",
  "hires.strength": "denoising_strength",
  "hires.model": "hr_upscaler",
  hires: "hr_scale",
  upscaler: "upscaler_1",
  scale: "upscaling_resize",
};
