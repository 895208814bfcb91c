import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { readParameters } from "../../lib/index.js";
import type { RunningServer } from "../../lib/server/index.js";
import { assertCircle, circle, post, startServer } from "../helpers/server.js";

let server: RunningServer;
before(async () => {
  server = await startServer({ apiKeys: ["key"], maxPixels: 600_000 });
});
after(() => server.close());

// As the model's page in Azure's catalog has it: the key alone, without "Bearer".
const headers = { authorization: "key", accept: "application/json", "extra-parameters": "pass-through" };

test("a size that is no multiple of 16 is drawn larger, and cut to exactly that", async () => {
  const answer = await post(`${server.url}/images/generations`, { ...circle, size: "120x124", output_format: "png", n: 1 }, headers);
  assert.equal(answer.status, 200, await answer.clone().text());
  const { image, created } = (await answer.json()) as { image: string; created: number };
  assert.ok(Math.abs(created - Date.now() / 1000) < 60);
  const bytes = Buffer.from(image, "base64");
  const { width, height, format } = await sharp(bytes).metadata();
  assert.deepEqual([width, height, format], [120, 124, "png"]);
  await assertCircle(bytes);
  const parameters = await readParameters(bytes);
  assert.deepEqual([parameters?.width, parameters?.height], [128, 128]);
});

test("the other address, the other key header, and a picture to begin with", async () => {
  const blue = await sharp({ create: { width: 128, height: 128, channels: 3, background: "blue" } })
    .jpeg()
    .toBuffer();
  const body = { ...circle, negative_prompt: null, image_prompt: { image: blue.toString("base64"), strength: 1 }, output_format: "jpeg" };
  const answer = await post(`${server.url}/image/generations?api-version=2024-05-01-preview`, body, { "api-key": "key" });
  assert.equal(answer.status, 200, await answer.clone().text());
  const bytes = Buffer.from(((await answer.json()) as { image: string }).image, "base64");
  assert.equal((await sharp(bytes).metadata()).format, "jpeg");
  await assertCircle(bytes);
});

test("errors have Azure's form and name the field", async () => {
  for (const [fields, status, target, word] of [
    [{ prompt: "" }, 400, "prompt", /prompt/],
    [{ ...circle, size: "large" }, 400, "size", /672x1566.*1566x672/],
    [{ ...circle, size: "9999x64" }, 400, "size", /size/],
    [{ ...circle, size: "1024x1024" }, 400, "size", /at most 600000/],
    [{ ...circle, n: 2 }, 400, "n", /one picture/],
    [{ ...circle, image_prompt: { image: "!" } }, 400, "image_prompt.image", /base64/],
    [{ ...circle, image_prompt: { strength: 1 } }, 400, "image_prompt.image", /base64/],
    [{ ...circle, negative_prompt: 7 }, 400, "negative_prompt", /string/],
    [{ ...circle, output_format: "bmp" }, 400, "output_format", /png/],
    [{ ...circle, model: "other" }, 404, "model", /demo/],
  ] as const) {
    const answer = await post(`${server.url}/images/generations`, fields, headers);
    const { error } = (await answer.json()) as { error: { code: string; message: string; status: number; target: string } };
    assert.deepEqual([answer.status, error.status, error.target], [status, status, target], error.message);
    assert.equal(typeof error.code, "string");
    assert.match(error.message, word);
  }
  const refused = await post(`${server.url}/images/generations`, circle, { authorization: "other" });
  assert.equal(refused.status, 401);
  assert.equal(((await refused.json()) as { error: { code: string } }).error.code, "unauthorized");
});

test("a size beyond the model is answered with those that it can draw", async () => {
  const wide = await startServer();
  const answer = await post(`${wide.url}/images/generations`, { ...circle, size: "3088x16" });
  const { error } = (await answer.json()) as { error: { code: string; message: string } };
  assert.equal(answer.status, 400);
  assert.equal(error.code, "invalid_size");
  assert.match(error.message, /1024x1024, .*1566x672, or "WIDTHxHEIGHT" with sides of 16 to 3072 pixels/);
  await wide.close();
});

test("what is not known is told of, or refused where the client asks for that", async () => {
  const body = { ...circle, response_format: "b64_json" };
  const refused = await post(`${server.url}/images/generations`, body, { ...headers, "extra-parameters": "error" });
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /response_format/);
  const drawn = await post(`${server.url}/images/generations`, body, headers);
  assert.match(drawn.headers.get("x-sdcpp-warning") ?? "", /response_format/);
});
