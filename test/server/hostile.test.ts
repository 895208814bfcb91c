import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { demoFiles } from "../../lib/catalog/demo.js";
import { splitTags } from "../../lib/options/loras.js";
import { parseParameters } from "../../lib/picture/parameters.js";
import { createHandler, type RunningServer } from "../../lib/server/index.js";
import { Picture } from "../../lib/server/picture.js";
import { post, startServer } from "../helpers/server.js";

/** Requests that were made to hold up, mislead or outdo the server. */

/** Before the first server is made. */
const nodes = { Request: globalThis.Request, Response: globalThis.Response };

let server: RunningServer;
let folder: string;
const log: string[] = [];
before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "sdcpp-hostile-"));
  for (const name of ["models", "loras"]) mkdirSync(path.join(folder, name));
  server = await startServer({ loraDir: path.join(folder, "loras"), maxSteps: 20, onLog: (line) => log.push(line) });
});
after(() => server.close());

const refused = async (route: string, body: unknown, what: RegExp, status = 400) => {
  const answer = await post(`${server.url}${route}`, body);
  const text = await answer.text();
  assert.equal(answer.status, status, text.slice(0, 300));
  assert.match(text, what);
};

test("a job cannot put itself before others', nor past the check of the memory", async () => {
  for (const name of ["priority", "force", "signal", "__proto__"]) {
    for (const body of [`{"prompt": "x", "${name}": 1}`, `{"prompt": "x", "options": {"${name}": {}}}`]) {
      await refused("/v1/jobs", JSON.parse(body), new RegExp(`unknown option ${name}`));
    }
  }
});

test("an upscaler's name of another kind is the request's fault", async () => {
  for (const model of [7, null, {}, []]) await refused("/v1/jobs", { prompt: "x", hires: { model } }, /hires\.model: expected/);
});

/** With time that grows as its square, a megabyte would take longer than the test runner waits. */
const long = 1_000_000;

test("long runs of white space are read once", { timeout: 60_000 }, async () => {
  const spaces = " ".repeat(long);
  assert.deepEqual(splitTags(`a${spaces}b${spaces}<lora:c:1>  <lora:d:2> e`), {
    prompt: `a${spaces}b e`,
    tags: [
      { name: "c", weight: 1 },
      { name: "d", weight: 2 },
    ],
  });
  await refused("/v1/jobs", { prompt: `x${spaces}y` }, /prompt: expected a string of at most 16384 bytes/);
  await refused("/v1/images/generations", { prompt: `x${spaces}y` }, /prompt: expected a string of at most/);
  await refused("/sdapi/v1/txt2img", { prompt: "x", override_settings: { sd_model_checkpoint: `x${spaces}y` } }, /There is no model/, 404);
});

test("a sampler's name of megabytes is no name", { timeout: 60_000 }, () =>
  refused("/sdapi/v1/txt2img", { prompt: "x", steps: 1000, sampler_name: "x ".repeat(5 * long) }, /at most 20/),
);

test("LoRAs beyond what can be applied are refused before their folder is read", async () => {
  await refused("/v1/jobs", { prompt: "x", loras: Array.from({ length: 65 }, () => "x") }, /loras: expected at most 64, received 65/);
  await refused("/v1/jobs", { prompt: "<lora:x:1>".repeat(65) }, /expected at most 64/);
});

test("JSON inside of a text has the limits of JSON", async () => {
  const deep = `${"[".repeat(long)}${"]".repeat(long)}`;
  const wide = `[${"1,".repeat(long)}1]`;
  for (const [text, what] of [
    [deep, /nested more than 32 deep/],
    [wide, /more than 50000 members/],
  ] as const) {
    await refused("/v1/jobs", { prompt: "x", loras: text }, what);
    await refused("/v1/jobs", { prompt: "x", options: `{"steps": ${text}}` }, what);
    await refused("/v1/images/generations", { prompt: "x", loras: text }, what);
    await refused("/sdapi/v1/txt2img", { prompt: "x", steps: 1000, alwayson_scripts: `{"a": ${text}}` }, what);
  }
});

test("parts of a form are counted by the boundary that it is read with", async () => {
  const part = '--b\r\ncontent-disposition: form-data; name="steps"\r\n\r\n1\r\n';
  const answer = await fetch(`${server.url}/v1/jobs`, {
    method: "POST",
    headers: { "content-type": "multipart/form-data; xboundary=other; boundary=b" },
    body: `${part.repeat(200)}--b--\r\n`,
  });
  assert.equal(answer.status, 400);
  assert.match(await answer.text(), /invalid_multipart/);
});

test("drawings in SVG, which can take hours, are not drawn", async () => {
  const filter = '<filter id="f"><feTurbulence baseFrequency="0.9" numOctaves="20"/></filter>';
  const rect = '<rect width="4000" height="4000" filter="url(#f)"/>';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="4000" height="4000">${filter}${rect.repeat(100)}</svg>`;
  for (const bytes of [svg, `\ufeff<?xml version="1.0"?>\n${svg}`, `\n <!-- -->${svg}`, "\x1f\x8b\x08\x00"].map((text) =>
    Buffer.from(text, "latin1"),
  )) {
    const image = bytes.toString("base64");
    await refused("/v1/jobs", { prompt: "x", initImage: image }, /SVG is not drawn/);
    await refused("/v1/images/edits", { prompt: "x", image }, /SVG is not drawn/);
    await refused("/sdapi/v1/extra-single-image", { image }, /SVG is not drawn/);
    await refused("/sdapi/v1/png-info", { image }, /SVG is not drawn/);
    await refused("/images/generations", { prompt: "x", image_prompt: { image } }, /SVG is not drawn/);
    await refused("/hf", { inputs: image, parameters: { prompt: "x" } }, /SVG is not drawn/);
    const form = new FormData();
    form.set("image", new Blob([bytes]), "picture.png");
    form.set("prompt", "x");
    const answer = await fetch(`${server.url}/v1/images/variations`, { method: "POST", body: form });
    assert.match(await answer.text(), /SVG is not drawn/);
  }
});

const makePng = () =>
  sharp({ create: { width: 16, height: 16, channels: 3, background: "red" } })
    .png()
    .toBuffer();

test("base64 may have white space in it, and nothing else", async () => {
  const png = await makePng();
  const lines = png.toString("base64").replace(/.{20}/g, "$&\r\n ");
  const answer = await post(`${server.url}/sdapi/v1/png-info`, { image: `data:image/png;base64,${lines}` });
  assert.equal(answer.status, 200, await answer.text());
  await refused("/sdapi/v1/png-info", { image: `${lines}%` }, /expected a picture as base64/);
  await refused("/sdapi/v1/png-info", { image: " \n" }, /expected a picture as base64/);
});

test("a body that breaks off is no failure of the server's", async () => {
  const before = log.length;
  await new Promise<void>((resolve) => {
    const head = "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    const socket = net.connect(server.port, "127.0.0.1", () => socket.write(head, () => setTimeout(() => socket.destroy(), 50)));
    socket.on("close", () => resolve());
  });
  await sleep(200);
  assert.deepEqual(log.slice(before), []);
});

test("HEAD of a job's events ends at once", async () => {
  const { id } = (await (await post(`${server.url}/v1/jobs`, { prompt: "x", steps: 20 })).json()) as { id: string };
  const handler = server.handler;
  const answer = await handler.fetch(new Request(`http://localhost/v1/jobs/${id}/events`, { method: "HEAD" }));
  assert.deepEqual([answer.status, answer.headers.get("content-type"), answer.body], [200, "text/event-stream", null]);
  await fetch(`${server.url}/v1/jobs/${id}`, { method: "DELETE" });
});

test("what was made of a picture counts as memory that it holds", async () => {
  const picture = new Picture(0, 1n, 16, 16, undefined, "2026-01-01/x.png", 0, async () => Buffer.from(await makePng()));
  assert.equal(picture.held, 0);
  const jpeg = await picture.encode("jpeg");
  assert.equal(picture.held, jpeg.length);
});

test("a warning fits into a header, however long the names are that it is about", async () => {
  const fields = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`${"x".repeat(1000)}${at}`, 1]));
  const answer = await post(`${server.url}/images/generations`, { prompt: "x", steps: 1, ...fields });
  assert.equal(answer.status, 200);
  assert.ok((answer.headers.get("x-sdcpp-warning") ?? "").length <= 2000);
});

test("a handler leaves its host's Request and Response alone", () => {
  assert.ok(globalThis.Request === nodes.Request && globalThis.Response === nodes.Response);
});

test("links in the folder of models that lead out of it are passed over", async () => {
  const { diffusionModel } = await demoFiles();
  const models = path.join(folder, "models");
  symlinkSync(diffusionModel, path.join(models, "outside.gguf"));
  copyFileSync(diffusionModel, path.join(models, "inside.gguf"));
  symlinkSync("inside.gguf", path.join(models, "linked.gguf"));
  const handler = createHandler({ modelsDir: models });
  assert.deepEqual(await handler.models(), ["inside", "linked", "demo"]);
  await handler.close();
});

test("folders that were given as relative paths are no words that errors are cleared of", async () => {
  const before = process.cwd();
  process.chdir(folder);
  try {
    const handler = createHandler({ modelsDir: "models", loraDir: "loras" });
    const body = JSON.stringify({ prompt: "x", lorasx: 1 });
    const headers = { "content-type": "application/json" };
    const answer = await handler.fetch(new Request("http://localhost/v1/jobs", { method: "POST", headers, body }));
    const { error } = (await answer.json()) as { error: { message: string } };
    assert.equal(error.message, "lorasx: unknown option lorasx; did you mean loras?");
    await handler.close();
  } finally {
    process.chdir(before);
  }
});

test("a picture that is cut off in its pixels is the request's fault", async () => {
  const pixels = Buffer.from(Array.from({ length: 64 * 64 * 4 }, (_, at) => (at * 7919) % 251));
  const whole = await sharp(pixels, { raw: { width: 64, height: 64, channels: 4 } })
    .png()
    .toBuffer();
  const cut = whole.subarray(0, whole.length / 2).toString("base64");
  await refused("/v1/images/edits", { prompt: "x", image: cut }, /read to their end/);
  await refused("/v1/images/edits", { prompt: "x", image: whole.toString("base64"), mask: cut }, /read to their end/);
  await refused("/v1/images/variations", { image: cut }, /read to their end/);
  await refused("/sdapi/v1/img2img", { init_images: [cut] }, /read to its end/);
  await refused("/sdapi/v1/extra-single-image", { image: cut, upscaler_1: "Lanczos" }, /read to its end/);
  await refused("/images/generations", { prompt: "x", image_prompt: { image: cut } }, /can be read/);
});

test("texts in picture files are read once", { timeout: 60_000 }, () => {
  assert.equal(parseParameters(`x\nSteps: 1, a: [${'\\"'.repeat(long)}`).steps, 1);
  assert.equal(parseParameters(`x\nSteps: 2, VAE tiling: "${"a".repeat(long)}"`).steps, 2);
  assert.equal(parseParameters(`x\nSteps: 3, Model fingerprints: "${"a".repeat(long)}"`).steps, 3);
});

test("one client's sessions of MCP do not end another one's", async () => {
  await using handler = createHandler({ apiKeys: ["one", "two"] });
  const send = (key: string, method: string, params: object, session?: string) =>
    handler.fetch(
      new Request("http://localhost/mcp", {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          accept: "application/json, text/event-stream",
          "content-type": "application/json",
          ...(session && { "mcp-session-id": session }),
        },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      }),
    );
  const begin = async (key: string) => {
    const answer = await send(key, "initialize", {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "test", version: "1" },
    });
    await answer.text();
    return answer.headers.get("mcp-session-id") ?? "";
  };
  const [mine, first] = [await begin("one"), await begin("two")];
  for (let count = 0; count < 200; count++) await begin("two");
  assert.equal((await send("two", "tools/list", {}, first)).status, 404, "the oldest of too many has ended");
  assert.equal((await send("one", "tools/list", {}, mine)).status, 200);
});
