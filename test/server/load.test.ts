import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import sharp from "sharp";
import type { RunningServer } from "../../lib/server/index.js";
import { post, startServer } from "../helpers/server.js";

let server: RunningServer;
before(async () => {
  server = await startServer({ maxQueue: 20 });
});
after(() => server.close());

test("of 200 clients at once each gets a picture, or is told to come again", async () => {
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, seed) => {
      const answer = await post(
        `${server.url}/v1/jobs`,
        { prompt: "a red circle", steps: 1, width: 64, height: 64, seed },
        { accept: "image/png" },
      );
      return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()), seed };
    }),
  );
  const drawn = answers.filter(({ status }) => status === 200);
  assert.ok(drawn.length >= 21, `${drawn.length} were drawn`);
  for (const { bytes, headers, seed } of drawn) {
    assert.equal(headers.get("x-seed"), String(seed), "each has its own");
    assert.equal((await sharp(bytes).metadata()).width, 64);
  }
  const others = answers.filter(({ status }) => status !== 200);
  assert.ok(others.length > 0);
  for (const { status, headers, bytes } of others) {
    assert.equal(status, 429);
    assert.ok(Number(headers.get("retry-after")) >= 1);
    assert.match(bytes.toString(), /ERR_QUEUE_FULL/);
  }
});

test("a drained server draws what it has taken, and takes no more", async () => {
  const own = await startServer();
  const picture = { prompt: "a red circle", steps: 2, width: 64, height: 64 };
  const taken = [1, 2, 3].map((seed) => post(`${own.url}/v1/jobs`, { ...picture, seed }, { accept: "image/png" }));
  while (own.handler.work().waiting < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const drained = own.drain();
  const late = await own.handler.fetch(
    new Request(`${own.url}/v1/jobs`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(picture) }),
  );
  assert.equal(late.status, 503);
  for (const answer of await Promise.all(taken)) assert.equal(answer.status, 200);
  await drained;
});
