import {
  type CallToolResult,
  type ContentBlock,
  McpServer,
  type ServerContext,
  type StandardSchemaWithJSON,
} from "@modelcontextprotocol/server";
import { checkOptions, type OptionTable } from "../../options/check.js";
import { samplers, schedulers } from "../../options/index.js";
import { schemaOfTable } from "../../options/schema.js";
import type { Core } from "../core.js";
import { type DrawOptions, draw } from "../draw.js";
import { enlarge, resizers } from "../enlarge.js";
import { describeError } from "../errors.js";
import type { Job } from "../job.js";
import type { Picture } from "../picture.js";
import { editArguments, enlargeArguments, generateArguments, givenPicture } from "./arguments.js";
import { tellProgress } from "./progress.js";

const { version } = require("../../../package.json") as { version: string };

type Arguments = Record<string, unknown>;
type Format = "png" | "jpeg" | "webp";

const instructions =
  "Draws pictures with Stable Diffusion 3.5 on this machine. A drawing may take from seconds to minutes; it can be canceled. Results name each picture as " +
  '"image": give that name to edit_image or upscale_image to go on with it.';

/** A server with the tools, for one client: `owner` is whose jobs they make. */
export function createTools(core: Core, owner: string): McpServer {
  const server = new McpServer({ name: "node-sd-cpp", title: "node-sd-cpp", version }, { instructions });

  const tool = (
    name: string,
    { title, description, table, readOnly = false }: { title: string; description: string; table: OptionTable; readOnly?: boolean },
    work: (given: Arguments, context: ServerContext) => Promise<CallToolResult>,
  ) => {
    const annotations = { title, readOnlyHint: readOnly, destructiveHint: false, idempotentHint: readOnly, openWorldHint: false };
    const call = async (given: unknown, context: ServerContext) => {
      try {
        return await work(checkOptions(table, read(given as Arguments)), context);
      } catch (error) {
        return failed(error, core);
      }
    };
    server.registerTool(name, { title, description, inputSchema: schema(table), annotations }, call as never);
  };

  tool(
    "generate_image",
    {
      title: "Draw a picture",
      description: "Draws pictures from a description. LoRAs are named in the prompt, as <lora:name:0.8>.",
      table: generateArguments,
    },
    async ({ model, format, ...options }, context) => {
      const signal = goneSignal(context);
      const job = await draw(core, { owner, signal, model: model as string | undefined, options: options as unknown as DrawOptions });
      return finish(job, format as Format | undefined, context);
    },
  );

  tool(
    "edit_image",
    {
      title: "Change a picture",
      description: "Draws a picture anew on the base of another one, all of it or where a mask is white.",
      table: editArguments,
    },
    async ({ model, format, initImage, mask, ...rest }, context) => {
      const pictures = {
        initImage: await givenPicture(core, owner, initImage, "initImage"),
        ...(mask === undefined ? {} : { mask: mask === "alpha" ? "alpha" : await givenPicture(core, owner, mask, "mask") }),
      };
      const options = { ...rest, ...pictures } as unknown as DrawOptions;
      const job = await draw(core, { owner, signal: goneSignal(context), model: model as string | undefined, options });
      return finish(job, format as Format | undefined, context);
    },
  );

  tool(
    "upscale_image",
    {
      title: "Enlarge a picture",
      description: "Enlarges a picture by a network, or by computing between pixels.",
      table: enlargeArguments,
    },
    async ({ image, upscaler, scale, format }, context) => {
      const bytes = await givenPicture(core, owner, image, "image");
      const name = (upscaler as string | undefined) ?? (await core.upscalers.names())[0] ?? "lanczos";
      const request = { owner, upscaler: name, image: bytes, scale: scale as number | undefined, signal: goneSignal(context) };
      return finish(await enlarge(core, request), format as Format | undefined, context);
    },
  );

  tool(
    "list_models",
    { title: "List models", description: "What there is to draw with: models, LoRAs, upscalers, samplers.", table: {}, readOnly: true },
    async () => {
      const models = (await core.models.list()).map(({ id, aliases, family, license, defaults, maxSide }, index) => ({
        id,
        ...(index === 0 ? { default: true } : {}),
        ...(aliases.length > 0 ? { aliases } : {}),
        family,
        license,
        defaults,
        maxSide,
      }));
      const upscalers = [...(await core.upscalers.names()), ...resizers];
      return text(JSON.stringify({ models, loras: await core.loras.names(), upscalers, samplers, schedulers }, undefined, 1));
    },
  );

  return server;
}

/** Left out and null are the same; a seed may be text, as results have it. */
function read(given: Arguments): Arguments {
  const named = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  return typeof named.seed === "string" && /^\d{1,19}$/.test(named.seed) ? { ...named, seed: BigInt(named.seed) } : named;
}

/** The table's own check names what is wrong, with the model's limits; the schema is for the client to read. */
function schema(table: OptionTable): StandardSchemaWithJSON {
  const json = schemaOfTable(table);
  return {
    "~standard": {
      version: 1,
      vendor: "node-sd-cpp",
      validate: (value: unknown) =>
        typeof value === "object" && value !== null && !Array.isArray(value) ? { value } : { issues: [{ message: "expected an object" }] },
      jsonSchema: { input: () => json, output: () => json },
    },
  };
}

/** Aborts by the client's cancel, and when its connection is gone, since nobody could get the result. */
function goneSignal({ mcpReq, http }: ServerContext): AbortSignal {
  const connection = http?.req?.signal;
  return connection ? AbortSignal.any([mcpReq.signal, connection]) : mcpReq.signal;
}

async function finish(job: Job, format: Format | undefined, context: ServerContext): Promise<CallToolResult> {
  await tellProgress(job, context);
  const pictures = await job.result();
  const lines = pictures.map(({ index, seed, width, height, file }) =>
    JSON.stringify({
      image: `${job.id}/${index}`,
      ...(seed === undefined ? {} : { seed: String(seed) }),
      width,
      height,
      ...(file === undefined ? {} : { file }),
    }),
  );
  const { images, note } = await show(pictures, format);
  const by = job.model === undefined ? [] : [`Drawn by ${job.model}.`];
  const notes = [...job.warnings, ...(note ? [note] : [])].map((warning) => `Note: ${warning}`);
  return { content: [...images, { type: "text", text: [...lines, ...by, ...notes].join("\n") }] };
}

/** Some clients refuse results of more than 1 MiB. */
const mostBase64 = 1_000_000;

async function show(pictures: readonly Picture[], format: Format | undefined): Promise<{ images: ContentBlock[]; note?: string }> {
  const encode = async (as: Format) => {
    const all = await Promise.all(pictures.map((picture) => picture.encode(as)));
    return all.map((bytes) => ({ type: "image" as const, data: bytes.toString("base64"), mimeType: `image/${as}` }));
  };
  const images = await encode(format ?? "png");
  if (format || images.reduce((sum, { data }) => sum + data.length, 0) <= mostBase64) return { images };
  return { images: await encode("jpeg"), note: 'shown as JPEG, as many clients take a megabyte; format: "png" shows all of it.' };
}

const text = (content: string): CallToolResult => ({ content: [{ type: "text", text: content }] });

/** The code first, so that programs can tell errors apart. */
function failed(error: unknown, core: Core): CallToolResult {
  const { code, message } = describeError(error, core.roots);
  if (code === "internal_error") core.options.onLog?.(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return { ...text(`${code}: ${message}`), isError: true };
}
