import type { Schema } from "../../options/schema.js";

/** Pieces of an OpenAPI description. */
export const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
export const json = (schema: Schema) => ({ "application/json": { schema } });
export const answer = (description: string, schema: Schema) => ({ description, content: json(schema) });
export const error = (description: string) => answer(description, ref("Error"));

/** A list that is read whole. */
export const listed = (summary: string, schema: Schema = { type: "object" }) => ({
  get: { summary, responses: { 200: answer(summary, schema) } },
});

const query = (name: string, schema: Schema, description: string) => ({ name, in: "query", schema, description });
const text: Schema = { type: "string" };
const image: Schema = { type: "string", contentEncoding: "base64", description: "Bytes of an image file in base64, or a data URL" };
const body = (schema: Schema) => ({ required: true, content: { ...json(schema), "multipart/form-data": { schema } } });
const parameters: Schema = { type: ["object", "null"], description: "What the file says of how it was made" };

const nameInPath = {
  name: "name",
  in: "path",
  required: true,
  schema: text,
  description: "A name of /v1/gallery; its slashes may stay",
};
const pictureFile = { 200: { description: "The file", content: { "image/*": {} } }, 404: error("No such picture") };

const kept: Schema = {
  type: "object",
  properties: {
    name: text,
    time: { type: "string", format: "date-time" },
    url: { ...text, description: "Path on this server" },
    thumbnail: { ...text, description: "Path of a small WebP" },
    parameters: { ...parameters, description: "Prompt, seed, size and model" },
  },
  required: ["name", "time", "url", "thumbnail"],
};

const pull: Schema = {
  type: "object",
  properties: {
    id: { type: "string", format: "uuid" },
    model: text,
    status: { type: "string", enum: ["running", "done", "failed", "canceled"] },
    created: { type: "string", format: "date-time" },
    phase: { type: "string", enum: ["check", "download"] },
    bytes: { type: "integer" },
    size: { type: "integer", description: "Of all files" },
    bytesPerSecond: { type: "number" },
    eta: { type: "number", description: "Seconds to the end" },
    retry: { ...text, description: "Why it waits" },
    error: { type: "object" },
  },
  required: ["id", "model", "status", "created"],
};
const pullParameter = {
  name: "id",
  in: "path",
  required: true,
  schema: { type: "string", format: "uuid" },
  description: "A download's id",
};

/** Pictures that are kept, models that can be had, and pictures made larger. */
export const keptPaths = {
  "/v1/upscales": {
    post: {
      summary: "Put a picture into the line to be made larger",
      requestBody: body({
        type: "object",
        properties: {
          image,
          upscaler: { ...text, default: "lanczos", description: "Name of /v1/upscalers, or one of its resizers" },
          scale: {
            type: "number",
            exclusiveMinimum: 0,
            maximum: 16,
            description: "Factor of both sides. Default: the network's own, or 2",
          },
        },
        required: ["image"],
        additionalProperties: false,
      }),
      responses: { 202: answer("The job", ref("Job")), 400: error("What is wrong with the request"), 404: error("An unknown upscaler") },
    },
  },
  "/v1/parameters": {
    post: {
      summary: "How a picture was made, as its file says",
      requestBody: body({ type: "object", properties: { image }, required: ["image"], additionalProperties: false }),
      responses: {
        200: answer("Size and parameters", {
          type: "object",
          properties: { width: { type: "integer" }, height: { type: "integer" }, parameters },
          required: ["width", "height", "parameters"],
        }),
        400: error("It is no picture"),
      },
    },
  },
  "/v1/gallery": {
    get: {
      summary: "Finished pictures, newest first: of the output folder, or those that your jobs still hold",
      parameters: [
        query("q", text, "Words that are all in the prompt, the negative prompt or the name"),
        query("limit", { type: "integer", minimum: 1, maximum: 200, default: 60 }, "Pictures of a page"),
        query("after", text, "`next` of the page before"),
      ],
      responses: {
        200: answer("A page", {
          type: "object",
          properties: {
            kind: { type: "string", enum: ["files", "memory"] },
            deletes: { type: "boolean", description: "Whether pictures may be deleted" },
            total: { type: "integer" },
            next: text,
            pictures: { type: "array", items: kept },
          },
          required: ["kind", "deletes", "total", "pictures"],
        }),
      },
    },
  },
  "/v1/gallery/pictures/{name}": {
    parameters: [nameInPath],
    get: { summary: "A picture of the gallery", responses: pictureFile },
    delete: {
      summary: "Delete a picture's file, or forget its job where it is in memory alone",
      responses: { 200: answer("Its name", { type: "object" }), 403: error("Not allowed"), 404: error("No such picture") },
    },
  },
  "/v1/gallery/thumbnails/{name}": { parameters: [nameInPath], get: { summary: "It as a small WebP", responses: pictureFile } },
  "/v1/gallery/parameters/{name}": {
    parameters: [nameInPath],
    get: {
      summary: "All that its file says of how it was made",
      responses: { 200: answer("Parameters", { type: "object", properties: { parameters } }), 404: error("No such picture") },
    },
  },
  "/v1/catalog": listed("Models that can be downloaded, with their licenses, and downloads"),
  "/v1/pulls": {
    post: {
      summary: "Download a model's files to the server's machine",
      requestBody: {
        required: true,
        content: json({
          type: "object",
          properties: { model: { ...text, description: "A name of /v1/catalog" }, acceptLicense: { type: "boolean", default: false } },
          required: ["model"],
          additionalProperties: false,
        }),
      },
      responses: { 202: answer("The download", pull), 403: error("Not allowed"), 404: error("No such model") },
    },
    get: {
      summary: "Downloads, newest first",
      responses: { 200: answer("Downloads", { type: "object", properties: { pulls: { type: "array", items: pull } } }) },
    },
  },
  "/v1/pulls/{id}": {
    parameters: [pullParameter],
    get: { summary: "A download", responses: { 200: answer("The download", pull), 404: error("No such download") } },
    delete: {
      summary: "Stop a download; what has come stays for the next one",
      responses: { 200: answer("The download", pull), 404: error("No such download") },
    },
  },
  "/v1/estimate": {
    get: {
      summary:
        "The memory that a model and a picture take, and whether they fit; of a model that is not here, its headers are read from the hub",
      parameters: [
        query("model", text, "Name of /v1/models or /v1/catalog. Default: the server's"),
        query("width", { type: "integer" }, "Default: the model's"),
        query("height", { type: "integer" }, "Default: the model's"),
        query("count", { type: "integer" }, "Pictures of a run. Default: 1"),
      ],
      responses: { 200: answer("The estimate", { type: "object" }), 404: error("No such model") },
    },
  },
};
