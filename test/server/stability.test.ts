import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import sharp from "sharp";
import type { RunningServer } from "../../lib/server/index.js";
import { assertCircle, circle, startServer } from "../helpers/server.js";

let server: RunningServer;
before(async () => {
  server = await startServer({ apiKeys: ["key"] });
});
after(() => server.close());

type Fields = Record<string, string | number | Blob>;

function send(fields: Fields, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, typeof value === "number" ? String(value) : value);
  const all = { authorization: "Bearer key", ...headers };
  return fetch(`${server.url}/v2beta/stable-image/generate/sd3`, { method: "POST", headers: all, body, signal });
}

async function errorOf(answer: Response): Promise<{ id: string; name: string; errors: string[]; message: string }> {
  const body = (await answer.json()) as { id: string; name: string; errors: string[]; message: string };
  assert.ok(body.id.length > 10 && body.errors.length === 1 && body.message === body.errors[0], JSON.stringify(body));
  return body;
}

test("a picture comes as an image with its seed, and as JSON", async () => {
  const image = await send({ ...circle, model: "sd3.5-large", output_format: "jpeg" }, { accept: "image/*" });
  assert.equal(image.status, 200, await image.clone().text());
  assert.equal(image.headers.get("content-type"), "image/jpeg");
  assert.equal(image.headers.get("finish-reason"), "SUCCESS");
  assert.equal(image.headers.get("seed"), "3");
  assert.match(image.headers.get("x-sdcpp-warning") ?? "", /sd3\.5-large is not served here; demo/);
  await assertCircle(new Uint8Array(await image.arrayBuffer()));

  // Python's requests is forced to multipart by a part that is empty, and sends no model.
  const json = await send({ ...circle, none: new Blob([]) }, { accept: "application/json" });
  const { image: base64, finish_reason, seed } = (await json.json()) as { image: string; finish_reason: string; seed: number };
  assert.deepEqual([finish_reason, seed], ["SUCCESS", 3]);
  const bytes = Buffer.from(base64, "base64");
  assert.equal((await sharp(bytes).metadata()).format, "png");
  await assertCircle(bytes);
});

test("a ratio has the model's number of pixels; seed 0 is a random one", async () => {
  const answer = await send({ prompt: circle.prompt, aspect_ratio: "16:9", seed: 0 });
  assert.equal(answer.headers.get("content-type"), "image/png");
  const { width, height } = await sharp(await answer.arrayBuffer()).metadata();
  assert.deepEqual([width, height], [176, 96]);
  assert.notEqual(answer.headers.get("seed"), "0");
});

test("image to image keeps the picture's ratio, and needs its fields", async () => {
  const blue = await sharp({ create: { width: 64, height: 64, channels: 3, background: "blue" } })
    .png()
    .toBuffer();
  const image = new Blob([new Uint8Array(blue)]);
  const answer = await send({ ...circle, mode: "image-to-image", image, strength: 1 });
  assert.equal(answer.status, 200, await answer.clone().text());
  await assertCircle(new Uint8Array(await answer.arrayBuffer()));
  for (const [fields, word] of [
    [{ mode: "image-to-image", strength: 0.5 }, /^image: is required/],
    [{ mode: "image-to-image", image }, /^strength: is required/],
    [{ mode: "image-to-image", image, strength: 0.5, aspect_ratio: "1:1" }, /^aspect_ratio: /],
    [{ mode: "text-to-image", image }, /^image: is for/],
    [{ mode: "image-to-image", image: new Blob(["no picture"]), strength: 0.5 }, /^image: /],
  ] as const) {
    const refused = await send({ ...circle, ...(fields as Fields) });
    assert.equal(refused.status, 400);
    assert.match((await errorOf(refused)).message, word);
  }
});

test("wrong fields are named in Stability's form", async () => {
  for (const [fields, headers, status, name, word] of [
    [{ prompt: "" }, {}, 400, "bad_request", /^prompt: cannot be blank/],
    [{ ...circle, cfg_scale: 11 }, {}, 400, "bad_request", /^cfg_scale: expected a number from 1 to 10/],
    [{ ...circle, seed: 4294967295 }, {}, 400, "bad_request", /^seed: /],
    [{ ...circle, aspect_ratio: "7:1" }, {}, 400, "bad_request", /^aspect_ratio: .*21:9/],
    [{ ...circle, output_format: "gif" }, {}, 400, "bad_request", /^output_format: /],
    [{ ...circle, model: "ultra" }, {}, 400, "bad_request", /^model: .*sd3\.5-large/],
    [circle, { accept: "text/html" }, 400, "bad_request", /^accept: /],
    [circle, { authorization: "Bearer wrong" }, 401, "unauthorized", /key/],
  ] as const) {
    const answer = await send(fields as Fields, headers as Record<string, string>);
    assert.equal(answer.status, status);
    const error = await errorOf(answer);
    assert.equal(error.name, name);
    assert.match(error.message, word);
  }
});

test("a client that leaves stops its picture", async () => {
  const leaving = new AbortController();
  const answer = send({ ...circle, aspect_ratio: "1:1" }, {}, leaving.signal);
  const jobs = async () =>
    (
      (await (await fetch(`${server.url}/v1/jobs`, { headers: { authorization: "Bearer key" } })).json()) as {
        jobs: { id: string; status: string }[];
      }
    ).jobs;
  const before = new Set((await jobs()).map(({ id }) => id));
  let own: { id: string; status: string } | undefined;
  while (own?.status !== "running") own = (await jobs()).find(({ id, status }) => !before.has(id) || status === "running");
  leaving.abort();
  await assert.rejects(answer, { name: "AbortError" });
  const id = own.id;
  while (own?.status === "running") own = (await jobs()).find((job) => job.id === id);
  assert.equal(own?.status, "canceled");
});
