import { estimateMemory } from "../../memory/estimate.js";
import { families, findModel, isAccepted, licenses, licenseText, listModels } from "../../models.js";
import type { EstimateOptions, ListedModel } from "../../types/index.js";
import { readFields } from "../body.js";
import type { App, Core } from "../core.js";
import { HttpError } from "../errors.js";
import type { Pull } from "../pulls.js";
import { json } from "./json.js";
import { viewError } from "./view.js";

/** What of a served model's options an estimate takes. */
const ofModel = new Set(
  "files preset model diffusionModel clipL clipG t5xxl vae taesd family backend placement mmap offload weightType".split(" "),
);

/** Models that can be had: what they are, whether they fit, and their way to this machine. */
export function catalog(app: App, core: Core): void {
  const view = ({ owner: _owner, error, created, ...rest }: Pull) => ({
    ...rest,
    created: new Date(created).toISOString(),
    ...(error !== undefined && { error: viewError(error, core.roots) }),
  });

  app.get("/v1/catalog", async (context) => {
    const models = (await listModels()).filter(({ state }) => state !== "included");
    const pulls = core.pulls.list().map(view);
    return context.json({ pull_allowed: core.pulls.allowed, models: await Promise.all(models.map(viewModel)), pulls });
  });

  app.post("/v1/pulls", async (context) => {
    const { model, acceptLicense = false, ...rest } = await readFields(context, core.options);
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw new HttpError(400, "unknown_field", `${unknown}: expected model and acceptLicense.`, unknown);
    if (typeof model !== "string") throw new HttpError(400, "invalid_model", "model: expected a name of /v1/catalog.", "model");
    if (typeof acceptLicense !== "boolean")
      throw new HttpError(400, "invalid_acceptance", "acceptLicense: expected true or false.", "acceptLicense");
    return context.json(view(core.pulls.start(model, { owner: context.get("owner"), acceptLicense })), 202);
  });
  app.get("/v1/pulls", (context) => context.json({ pulls: core.pulls.list().map(view) }));
  app.get("/v1/pulls/:id", (context) => context.json(view(core.pulls.get(context.req.param("id")))));
  app.delete("/v1/pulls/:id", async (context) =>
    context.json(view(await core.pulls.cancel(context.req.param("id"), context.get("owner")))),
  );

  app.get("/v1/estimate", async (context) => {
    const { model: name, width, height, count } = context.req.query();
    const isNew = name !== undefined && !(await core.models.list()).some(({ id, aliases }) => id === name || aliases.includes(name));
    const unpulled = isNew ? findModel(name) : undefined;
    const { id, files } = unpulled ? { id: unpulled.id, files: { preset: unpulled.id } } : await core.models.find(name);
    const { backend, placement, threads, flashAttention, mmap, offload, weightType } = core.options.load;
    const load = { backend, placement, threads, flashAttention, mmap, offload, weightType };
    const size = { width: number(width, "width"), height: number(height, "height"), batchCount: number(count, "count") };
    const named = Object.fromEntries(Object.entries(files).filter(([option]) => ofModel.has(option)));
    const given = Object.fromEntries(Object.entries({ ...load, ...named, ...size }).filter(([, value]) => value !== undefined));
    const estimate = await estimateMemory({ ...(given as EstimateOptions), signal: context.req.raw.signal });
    return json({ model: id, ...estimate }, 200, context.res.headers);
  });
}

async function viewModel({ id, aliases, family, license: name, gated, state, bytes, bytesOnDisk }: ListedModel): Promise<object> {
  const license = Object.values(licenses).find((one) => one.name === name);
  return {
    id,
    aliases,
    family,
    name: families[family].name,
    gated,
    state,
    bytes,
    bytes_on_disk: bytesOnDisk,
    license: license && {
      name,
      version: license.version,
      url: license.url,
      summary: license.summary,
      text: licenseText(license),
      accepted: await isAccepted(license),
    },
  };
}

function number(text: string | undefined, param: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,6}$/.test(text)) throw new HttpError(400, "invalid_number", `${param}: expected a whole number.`, param);
  return Number(text);
}
