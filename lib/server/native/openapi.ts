import type { Option } from "../../options/check.js";
import { type Schema, schemaOfTable } from "../../options/schema.js";
import type { App, Core } from "../core.js";
import { answer, error, json, keptPaths, listed, ref } from "./paths.js";
import { jobOptions } from "./request.js";

const jobParameter = { name: "id", in: "path", required: true, schema: { type: "string", format: "uuid" }, description: "A job's id" };

/** `loras` of `generate`, by name instead of by path. */
function namedLoras(): Option {
  const list = jobOptions.loras as Extract<Option, { kind: "list" }>;
  const { path: _path, ...others } = (list.of as Extract<Option, { kind: "object" }>).members;
  const name: Option = { kind: "string", maxBytes: 32_768, filled: true, required: true, description: "As /v1/loras lists it" };
  return { ...list, of: { kind: "object", members: { name, ...others }, description: "LoRA" }, description: "LoRAs to apply, by name" };
}

const picture: Schema = {
  type: "object",
  properties: {
    index: { type: "integer" },
    seed: { type: "string" },
    width: { type: "integer" },
    height: { type: "integer" },
    url: { type: "string", description: "Path on this server; .jpg, .webp and .avif in place of .png give these" },
    file: { type: "string", description: "Name in the output folder" },
    parameters: { type: "string", description: "How it was made, as it stands in the file" },
  },
  required: ["index", "width", "height", "url"],
};

const job: Schema = {
  type: "object",
  properties: {
    id: { type: "string", format: "uuid" },
    kind: { type: "string", enum: ["generate", "upscale"] },
    model: { type: "string" },
    status: { type: "string", enum: ["queued", "running", "done", "failed", "canceled"] },
    position: { type: "integer", description: "Place in line, 1 = next" },
    created: { type: "string", format: "date-time" },
    started: { type: "string", format: "date-time" },
    ended: { type: "string", format: "date-time" },
    progress: {
      type: "object",
      properties: {
        fraction: { type: "number", minimum: 0, maximum: 1 },
        phase: { type: "string" },
        step: { type: "integer" },
        steps: { type: "integer" },
        image: { type: "integer" },
        images: { type: "integer" },
        eta: { type: "number", description: "Seconds to the end of the phase" },
      },
      required: ["fraction"],
    },
    images: { type: "array", items: ref("Picture") },
    warnings: { type: "array", items: { type: "string" } },
    error: { type: "object", properties: { code: { type: "string" }, message: { type: "string" }, param: { type: "string" } } },
    request: { type: "object", description: "What was asked for, without pictures" },
  },
  required: ["id", "kind", "status", "created", "progress", "images", "request"],
};

const failure: Schema = {
  type: "object",
  properties: {
    error: {
      type: "object",
      properties: {
        code: { type: "string" },
        message: { type: "string" },
        param: { type: "string", description: "The field that is wrong" },
        status: { type: "integer" },
        request_id: { type: "string" },
      },
      required: ["code", "message", "status"],
    },
  },
  required: ["error"],
};

/** The jobs API in OpenAPI 3.1; what a job may ask for comes from the option tables. */
export function describeApi({ options: { basePath, apiKeys } }: Core): object {
  return {
    openapi: "3.1.0",
    info: { title: "node-sd-cpp", version: (require("../../../package.json") as { version: string }).version, license: { name: "MIT" } },
    servers: [{ url: basePath || "/" }],
    ...(apiKeys.length > 0 ? { security: [{ bearer: [] }, { basic: [] }, { key: [] }] } : { security: [] }),
    paths: {
      "/v1/jobs": {
        post: {
          summary: "Put a picture into the line",
          description:
            "With an Accept header that begins with image/ the answer is the picture itself, when it is drawn; a client that leaves stops it.",
          requestBody: { required: true, content: { ...json(ref("Request")), "multipart/form-data": { schema: ref("Request") } } },
          responses: {
            200: { description: "The picture", content: { "image/png": {}, "image/jpeg": {}, "image/webp": {}, "image/avif": {} } },
            202: answer("The job", ref("Job")),
            400: error("What is wrong with the request"),
            404: error("An unknown model, LoRA or upscaler"),
            413: error("The body is too large"),
            429: error("The line is full; retry-after says when to try again"),
          },
        },
        get: {
          summary: "Your jobs, newest first",
          parameters: [
            {
              name: "status",
              in: "query",
              schema: { type: "string" },
              description: "Only these, as queued,running",
            },
          ],
          responses: {
            200: answer("Jobs", { type: "object", properties: { jobs: { type: "array", items: ref("Job") } }, required: ["jobs"] }),
          },
        },
        delete: {
          summary: "Cancel all your jobs that wait",
          responses: {
            200: answer("Their ids", {
              type: "object",
              properties: { canceled: { type: "array", items: { type: "string" } } },
              required: ["canceled"],
            }),
          },
        },
      },
      "/v1/jobs/{id}": {
        parameters: [jobParameter],
        get: { summary: "A job", responses: { 200: answer("The job", ref("Job")), 404: error("No such job") } },
        delete: {
          summary: "Stop a job; forget one that has ended",
          responses: { 200: answer("The job", ref("Job")), 404: error("No such job") },
        },
        patch: {
          summary: "Move a waiting job among yours",
          requestBody: {
            required: true,
            content: json({ type: "object", properties: { position: { type: "integer", minimum: 1 } }, required: ["position"] }),
          },
          responses: { 200: answer("The job", ref("Job")), 409: error("It no longer waits") },
        },
      },
      "/v1/jobs/{id}/events": {
        parameters: [jobParameter, { name: "last-event-id", in: "header", schema: { type: "integer" }, description: "Only later ones" }],
        get: {
          summary: "What a job tells: queued, running, phase, progress, preview, image, warning, then done, failed or canceled",
          responses: { 200: { description: "Server-sent events", content: { "text/event-stream": {} } }, 404: error("No such job") },
        },
      },
      "/v1/jobs/{id}/images/{name}": {
        parameters: [
          jobParameter,
          {
            name: "name",
            in: "path",
            required: true,
            schema: { type: "string" },
            description: "Index from 0, with .png, .jpg, .webp or .avif",
          },
        ],
        get: {
          summary: "A picture, with its parameters in it",
          responses: { 200: { description: "The file", content: { "image/*": {} } }, 404: error("No such picture") },
        },
      },
      "/v1/models": listed("Models that may be asked for, the default one first"),
      "/v1/samplers": listed("Samplers and schedulers"),
      "/v1/loras": listed("LoRAs by name"),
      "/v1/upscalers": listed("Upscalers by name"),
      "/v1/devices": listed("What can compute"),
      "/v1/memory": listed("Memory of the machine, and the models in it"),
      "/v1/limits": listed("What a request may ask for"),
      ...keptPaths,
    },
    components: {
      schemas: {
        Request: schemaOfTable(
          { ...jobOptions, loras: namedLoras() },
          { model: { type: "string", description: "Name of /v1/models. Default: the server's" } },
        ),
        Job: job,
        Picture: picture,
        Error: failure,
      },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        basic: { type: "http", scheme: "basic", description: "The key is the password" },
        key: { type: "apiKey", in: "header", name: "api-key" },
      },
    },
  };
}

export function openapi(app: App, core: Core): void {
  app.get("/openapi.json", (context) => context.json(describeApi(core)));
}
