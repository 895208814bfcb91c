import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
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

test("large bodies that come at once, and pictures that wait, take no more memory than sixteen of them", async () => {
  const own = await startServer({ maxBody: 200_000, requestSeconds: 60 });
  try {
    const head = `POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n`;
    const answers: string[] = [];
    const sockets = Array.from({ length: 20 }, () => {
      const socket = net.connect(own.port, "127.0.0.1", () => socket.write(`${head}{"prompt":"${"x".repeat(190_000)}`));
      socket.on("error", () => {});
      socket.on("data", (chunk) => answers.push(chunk.toString()));
      return socket;
    });
    while (answers.length === 0) await sleep(10);
    assert.match(answers[0] ?? "", /^HTTP\/1\.1 503 /);
    assert.match(answers[0] ?? "", /retry-after: 5/i);
    for (const socket of sockets) socket.destroy();
    await sleep(200);

    const noise = sharp({
      create: { width: 200, height: 200, channels: 3, background: "#000", noise: { type: "gaussian", mean: 128, sigma: 60 } },
    });
    const initImage = (await noise.png().toBuffer()).toString("base64");
    const statuses: number[] = [];
    for (let i = 0; i < 40 && !statuses.includes(429); i++) {
      statuses.push((await post(`${own.url}/v1/jobs`, { prompt: "x", steps: 100, width: 64, height: 64, initImage })).status);
    }
    const taken = statuses.filter((status) => status === 202).length;
    const bytes = Buffer.from(initImage, "base64").length;
    assert.equal(statuses.at(-1), 429);
    assert.ok(taken * bytes <= 16 * 200_000 && (taken + 1) * bytes > 16 * 200_000, `${taken} of ${bytes} bytes`);
  } finally {
    await own.close();
  }
});
