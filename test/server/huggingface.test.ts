import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import sharp from "sharp";
import type { RunningServer } from "../../lib/server/index.js";
import { assertCircle, circle, post, startServer } from "../helpers/server.js";

let server: RunningServer;
before(async () => {
  server = await startServer({ apiKeys: ["hf_key"] });
});
after(() => server.close());

const headers = { authorization: "Bearer hf_key" };
const { prompt, seed } = circle;

test("each form of the address draws, in the format that the client takes", async () => {
  const small = { width: 32, height: 32, num_inference_steps: 1 };
  for (const [path, accept, type] of [
    ["/hf/demo", "*/*", "image/png"],
    ["/hf/models/demo", "image/jpeg", "image/jpeg"],
    ["/models/stabilityai/stable-diffusion-3.5-large", "image/png", "image/png"],
    ["/", "image/webp, image/png", "image/webp"],
  ] as const) {
    const answer = await post(
      `${server.url}${path}`,
      { inputs: prompt, parameters: { seed, steps: 1, ...(path === "/" ? {} : small) } },
      { ...headers, accept },
    );
    assert.equal(answer.status, 200, await answer.clone().text());
    assert.equal(answer.headers.get("content-type"), type);
    assert.equal(answer.headers.get("x-sdcpp-seed"), "3");
    const warning = answer.headers.get("x-sdcpp-warning") ?? "";
    assert.match(warning, /ignored: steps/);
    assert.equal(/not served here; demo/.test(warning), path.includes("stabilityai"));
    const bytes = new Uint8Array(await answer.arrayBuffer());
    assert.equal((await sharp(bytes).metadata()).format, type.slice("image/".length));
    if (path === "/") await assertCircle(bytes);
  }
});

test("parameters have an effect, and sizes are exact", async () => {
  const parameters = {
    seed,
    width: 120,
    height: 124,
    num_inference_steps: 6,
    guidance_scale: 1,
    scheduler: "FlowMatchEulerDiscreteScheduler",
  };
  const answer = await post(`${server.url}/hf`, { inputs: prompt, parameters, options: { wait_for_model: true } }, headers);
  assert.equal(answer.status, 200, await answer.clone().text());
  const bytes = Buffer.from(await answer.arrayBuffer());
  const { width, height } = await sharp(bytes).metadata();
  assert.deepEqual([width, height], [120, 124]);
  assert.match(bytes.toString("latin1"), /Steps: 6, /);
});

test("a picture as base64 is drawn on", async () => {
  const blue = await sharp({ create: { width: 128, height: 128, channels: 3, background: "blue" } })
    .png()
    .toBuffer();
  const parameters = { prompt, seed, strength: 1, target_size: { width: 96, height: 96 } };
  const answer = await post(`${server.url}/hf/demo`, { inputs: blue.toString("base64"), parameters }, headers);
  assert.equal(answer.status, 200, await answer.clone().text());
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.equal((await sharp(bytes).metadata()).width, 96);
  // Without a prompt the picture is told by its first bytes; nothing is left of it to draw with when strength is 0.
  const same = await post(`${server.url}/hf/demo`, { inputs: blue.toString("base64"), parameters: { strength: 0 } }, headers);
  const { dominant } = await sharp(Buffer.from(await same.arrayBuffer())).stats();
  assert.ok(dominant.b > 180 && dominant.r < 90, JSON.stringify(dominant));
});

test("errors are { error } with the field's own name", async () => {
  for (const [path, body, status, word] of [
    ["/hf/demo", {}, 400, /^inputs: /],
    [
      "/hf/demo",
      { inputs: prompt, parameters: { num_inference_steps: 0 } },
      400,
      /^parameters\.num_inference_steps: expected an integer from 1/,
    ],
    ["/hf/demo", { inputs: prompt, parameters: { scheduler: "PNDMScheduler" } }, 400, /^parameters\.scheduler: /],
    ["/hf/demo", { inputs: prompt, parameters: { width: 1.5 } }, 400, /^parameters\.width: /],
    ["/hf/someone/other", { inputs: prompt }, 404, /someone\/other.*demo/],
  ] as const) {
    const answer = await post(`${server.url}${path}`, body, headers);
    assert.equal(answer.status, status);
    const { error } = (await answer.json()) as { error: string };
    assert.match(error, word);
  }
  const refused = await post(`${server.url}/hf/demo`, { inputs: prompt });
  assert.equal(refused.status, 401);
  assert.equal(typeof ((await refused.json()) as { error: string }).error, "string");
});
