import { listDevices } from "../../devices.js";
import { availableMemory } from "../../memory/available.js";
import { samplers, schedulers } from "../../options/index.js";
import type { App, Core } from "../core.js";
import { resizers } from "../enlarge.js";
import type { ServedModel } from "../models.js";

/** What there is to choose from, and what the machine has. `/v1/models` has the form of OpenAI's list, with more members. */
export function lists(app: App, core: Core): void {
  const view = ({ id, aliases, family, license, defaults, maxSide, created }: ServedModel) => ({
    id,
    object: "model",
    created,
    owned_by: "sdcpp",
    aliases,
    family,
    license,
    loaded: core.models.loaded.includes(id),
    defaults,
    max_side: maxSide,
  });
  app.get("/v1/models", async (context) => context.json({ object: "list", data: (await core.models.list()).map(view) }));
  app.get("/v1/models/:id{.+}", async (context) => context.json(view(await core.models.find(context.req.param("id")))));
  app.get("/v1/samplers", (context) => context.json({ samplers, schedulers }));
  app.get("/v1/loras", async (context) => context.json({ loras: await core.loras.names() }));
  app.get("/v1/upscalers", async (context) => context.json({ upscalers: await core.upscalers.names(), resizers }));
  app.get("/v1/limits", (context) => {
    const { maxPixels, maxSteps, maxImages, maxQueue, maxBody } = core.options;
    return context.json({ maxPixels, maxSteps, maxImages, maxQueue, maxBody });
  });
  app.get("/v1/devices", async (context) => context.json({ devices: await listDevices() }));
  app.get("/v1/memory", (context) => {
    const { rss, heapUsed } = process.memoryUsage();
    return context.json({ available: availableMemory(), process: { rss, heapUsed }, models: core.models.loaded });
  });
}
