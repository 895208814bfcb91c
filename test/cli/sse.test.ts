import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { packageRoot } from "../../lib/engine/binding.js";
import { center, edge, nearestColor, type Pixels } from "../helpers/pixels.js";
import { type Served, serve } from "../helpers/servers.js";
import { type Message, messagesOf } from "../helpers/sse.js";

/** The examples that stream a picture's events from an HTTP server. */

const folder = path.join(packageRoot, "examples", "sse");
const pictureAt = async (url: string): Promise<Pixels> => {
  const { data, info } = await sharp(Buffer.from(url.slice(url.indexOf(",") + 1), "base64"))
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { ...info, data };
};

for (const name of ["express", "fastify"]) {
  describe(`examples/sse/${name}.mjs`, { timeout: 600_000 }, () => {
    let work: string;
    let server: Served;
    before(async () => {
      work = await mkdtemp(path.join(tmpdir(), "sdcpp-sse-"));
      server = await serve(work, [path.join(folder, `${name}.mjs`)], { ...process.env, PORT: "0", SDCPP_THREADS: "1" });
    });
    after(async () => {
      await server?.[Symbol.asyncDispose]();
      await rm(work, { recursive: true, force: true });
    });
    const draw = (query: Record<string, string>, signal?: AbortSignal) =>
      fetch(`${server.url}/draw?${new URLSearchParams(query)}`, { signal });

    test("progress, previews and the picture arrive as events", async () => {
      const answer = await draw({ prompt: "a red circle on a blue background", steps: "4", seed: "7" });
      assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "text/event-stream"]);
      const messages: Message[] = [];
      for await (const message of messagesOf(answer)) messages.push(message);
      const of = (event: string) => messages.filter((message) => message.event === event).map(({ data }) => data);
      assert.deepEqual(
        of("progress").flatMap(({ phase, step, steps }) => (phase === "sample" ? [[step, steps]] : [])),
        [1, 2, 3, 4].map((step) => [step, 4]),
      );
      const previews = of("preview");
      assert.ok(previews.length > 0);
      for (const { url } of previews) {
        assert.match(url as string, /^data:image\/webp;base64,/);
        assert.ok((url as string).length < 10_000 && (await pictureAt(url as string)).width === 16);
      }
      const [{ seed, url }] = of("image") as [{ seed: string; url: string }];
      assert.equal(seed, "7");
      const picture = await pictureAt(url);
      assert.deepEqual([nearestColor(picture, center), nearestColor(picture, edge)], ["red", "blue"]);
      const last = messages.at(-1) as Message;
      assert.deepEqual([last.event, last.data.seeds], ["done", ["7"]]);
    });

    test("a client that breaks off ends its run, and the next one's picture is drawn", async () => {
      const leaving = new AbortController();
      const answer = await draw({ prompt: "for nobody", steps: "1000" }, leaving.signal);
      const seen: Message[] = [];
      await assert.rejects(async () => {
        for await (const message of messagesOf(answer)) {
          seen.push(message);
          if (message.data.phase === "sample") leaving.abort();
        }
      }, /abort/i);
      assert.ok(seen.length < 1000);
      await server.says(/^not drawn: for nobody: the client has left$/m);
      const next = await (await draw({ prompt: "a red circle", steps: "1" })).text();
      assert.match(next, /^event: image$/m);
    });

    test("a client that leaves while it waits in line is not drawn for", async () => {
      const [first, second] = [new AbortController(), new AbortController()];
      const drawing = await draw({ prompt: "in front", steps: "1000" }, first.signal);
      const waiting = await draw({ prompt: "behind", steps: "1000" }, second.signal);
      for await (const message of messagesOf(waiting)) {
        assert.deepEqual([message.event, message.data.position], ["queued", 1]);
        break;
      }
      second.abort();
      await server.says(/^not drawn: behind: the client has left$/m);
      assert.doesNotMatch(server.printed(), /in front/);
      first.abort();
      await drawing.text().catch(() => {});
      await server.says(/^not drawn: in front: the client has left$/m);
    });

    test("an error before the first event is JSON with the error's status", async () => {
      const answer = await draw({ prompt: "a red circle", steps: "0" });
      assert.equal(answer.status, 400);
      assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
      const body = (await answer.json()) as Record<string, string>;
      assert.deepEqual([body.name, body.code], ["InvalidOptionError", "ERR_INVALID_OPTION"]);
      assert.match(body.message ?? "", /^steps: /);
      assert.equal((await draw({})).status, 400);
    });

    test("more than the line holds are answered with 429", async () => {
      const leaving = new AbortController();
      const asked = Array.from({ length: 22 }, () => draw({ prompt: "one of many", steps: "1000" }, leaving.signal));
      const refused = await Promise.race(
        asked.map(async (answer) => ((await answer).status === 200 ? new Promise<never>(() => {}) : answer)),
      );
      assert.equal(refused.status, 429);
      assert.equal(((await refused.json()) as { code: string }).code, "ERR_QUEUE_FULL");
      await Promise.all(asked);
      leaving.abort();
    });
  });
}
