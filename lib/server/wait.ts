import type { Family } from "../types/index.js";
import type { Core, RequestContext } from "./core.js";
import { type DrawRequest, draw } from "./draw.js";
import { renamed } from "./errors.js";
import type { Job } from "./job.js";
import type { Picture } from "./picture.js";

/** For conventions whose answer is the picture itself. */

/**
 * Draws one picture and waits for it; a client that goes away cancels it. Headers tell the job, the model and what the job warns of.
 * @param names of options, as the convention has them
 * @throws what `draw` throws, and the job's error
 */
export async function drawOne(
  core: Core,
  context: RequestContext,
  request: Omit<DrawRequest, "owner" | "signal">,
  names: Readonly<Record<string, string>> = {},
): Promise<{ picture: Picture; job: Job }> {
  try {
    const job = await draw(core, { ...request, owner: context.get("owner"), signal: context.req.raw.signal });
    const [picture] = await job.result();
    context.header("x-sdcpp-job", job.id);
    context.header("x-sdcpp-model", encodeURIComponent(job.model ?? ""));
    if (job.warnings.length > 0) context.header("x-sdcpp-warning", shown(job.warnings));
    return { picture: picture as Picture, job };
  } catch (error) {
    throw renamed(error, names);
  }
}

/** Clients take no headers of many kilobytes. */
const shown = (warnings: readonly string[]) =>
  warnings
    .join(" ")
    .slice(0, 2000)
    .replace(/[^\x20-\x7e]/g, "?");

/**
 * The served model for a name of a cloud: the one of this name, else the first of the family that the cloud's name stands for, else the default one.
 * @returns its id, and a warning when it is another model than was asked for
 * @throws HttpError 404 for a name that is neither served nor known
 */
export async function servedFor(
  core: Core,
  name: string | undefined,
  families: Readonly<Record<string, Family>>,
): Promise<{ model: string; warning?: string }> {
  const all = await core.models.list();
  const family = name !== undefined && Object.hasOwn(families, name) ? families[name] : undefined;
  const own = all.some(({ id, aliases }) => id === name || aliases.includes(name ?? ""));
  if (own || family === undefined) return { model: (await core.models.find(name)).id };
  const found = all.find((one) => one.family === family);
  if (found) return { model: found.id };
  const { id } = await core.models.find(undefined);
  return { model: id, warning: `${name} is not served here; ${id} has drawn it.` };
}
