import os from "node:os";
import { availableMemory } from "../../memory/available.js";
import { readFields } from "../body.js";
import type { App, Core } from "../core.js";
import { Job } from "../job.js";
import { latentModes, resizerLabels, samplerNames, schedulerNames } from "./names.js";
import { type AllSettings, findModel, readSettings, viewSettings } from "./settings.js";

/** What there is to choose from, and a client's own choices. Names of files go out without their folders. */
export function lists(app: App, core: Core, settings: AllSettings): void {
  app.get("/sdapi/v1/options", async (context) => context.json(await viewSettings(core, settings.of(context.get("owner")))));
  app.post("/sdapi/v1/options", async (context) => {
    settings.set(context.get("owner"), await readSettings(core, await readFields(context, core.options)));
    return context.json(null);
  });

  app.get("/sdapi/v1/samplers", (context) =>
    context.json(samplerNames.map(({ label: name, aliases }) => ({ name, aliases, options: {} }))),
  );
  app.get("/sdapi/v1/schedulers", (context) => {
    const more = { default_rho: -1, need_inner_model: false };
    const own = schedulerNames.map(({ ours, label, aliases }) => ({ name: ours, label, aliases, ...more }));
    return context.json([{ name: "automatic", label: "Automatic", aliases: null, ...more }, ...own]);
  });
  app.get("/sdapi/v1/upscalers", async (context) => {
    const view = (name: string, network: boolean) => ({
      name,
      model_name: network ? name : null,
      model_path: null,
      model_url: null,
      scale: network ? null : 4,
    });
    const networks = (await core.upscalers.names()).map((name) => view(name, true));
    return context.json([...["None", ...resizerLabels.keys()].map((name) => view(name, false)), ...networks]);
  });
  app.get("/sdapi/v1/latent-upscale-modes", (context) => context.json([...latentModes.keys()].map((name) => ({ name }))));
  app.get("/sdapi/v1/sd-models", async (context) => {
    const models = await core.models.list();
    return context.json(models.map(({ id }) => ({ title: id, model_name: id, hash: null, sha256: null, filename: id, config: null })));
  });
  app.get("/sdapi/v1/loras", async (context) =>
    context.json((await core.loras.names()).map((name) => ({ name, alias: name, path: name, metadata: {} }))),
  );
  app.get("/sdapi/v1/embeddings", (context) => context.json({ loaded: {}, skipped: {} }));
  app.get("/sdapi/v1/scripts", (context) => context.json({ txt2img: [], img2img: [] }));
  app.get("/sdapi/v1/cmd-flags", (context) => context.json({ api: true, nowebui: true, listen: false, lowvram: false, medvram: false }));
  for (const name of [
    "sd-vae",
    "sd-modules",
    "hypernetworks",
    "face-restorers",
    "realesrgan-models",
    "prompt-styles",
    "script-info",
    "extensions",
  ])
    app.get(`/sdapi/v1/${name}`, (context) => context.json([]));
  app.get("/sdapi/v1/memory", (context) => {
    const total = os.totalmem();
    const { bytes: free } = availableMemory();
    return context.json({ ram: { free, used: process.memoryUsage().rss, total }, cuda: { error: "unavailable" } });
  });

  // Folders are read again for each list.
  for (const name of ["refresh-checkpoints", "refresh-vae", "refresh-loras", "refresh-embeddings"])
    app.post(`/sdapi/v1/${name}`, (context) => context.json(null));
  app.post("/sdapi/v1/unload-checkpoint", async (context) => {
    await core.models.unload((await findModel(core, settings.of(context.get("owner")).model)).id);
    return context.json({});
  });
  app.post("/sdapi/v1/reload-checkpoint", async (context) => {
    const served = await findModel(core, settings.of(context.get("owner")).model);
    const job = new Job(context.get("owner"), "load", served.id, {});
    core.jobs.submit(job, ({ signal, emit }) => core.models.use(served, { signal, onLoad: emit }, async () => {}));
    await job.result();
    return context.json({});
  });
}
