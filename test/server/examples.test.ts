import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { packageRoot } from "../../lib/engine/binding.js";
import { assertCircle, circle, post } from "../helpers/server.js";
import { type Served, serve } from "../helpers/servers.js";
import { type Message, messagesOf } from "../helpers/sse.js";

/** The examples that have the handler inside of another framework's app, below a path. */

interface View {
  id: string;
  status: string;
  progress: { phase?: string };
}

for (const name of ["express", "fastify"]) {
  describe(`examples/server/${name}.mjs`, { timeout: 600_000 }, () => {
    let work: string;
    let server: Served;
    let base: string;
    before(async () => {
      work = await mkdtemp(path.join(os.tmpdir(), "sdcpp-server-"));
      const file = path.join(packageRoot, "examples", "server", `${name}.mjs`);
      server = await serve(work, [file], { ...process.env, PORT: "0", SDCPP_THREADS: "1" });
      base = `${server.url}/sd`;
    });
    after(async () => {
      await server?.[Symbol.asyncDispose]();
      await rm(work, { recursive: true, force: true });
    });
    const jobs = async () => ((await (await fetch(`${base}/v1/jobs`)).json()) as { jobs: View[] }).jobs;
    const until = async (reached: (job: View | undefined) => boolean) => {
      for (;;) {
        const [job] = await jobs();
        if (reached(job)) return job;
        await sleep(10);
      }
    };

    test("a picture is drawn, and the app's own page is still there", async () => {
      const answer = await post(`${base}/v1/jobs`, circle, { accept: "image/png" });
      assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "image/png"]);
      await assertCircle(new Uint8Array(await answer.arrayBuffer()));
      assert.match(await (await fetch(server.url)).text(), /\/sd\/v1\/jobs/);
    });

    test("addresses in answers have the path", async () => {
      const answer = await post(`${base}/v1/jobs`, { ...circle, steps: 2 });
      const location = answer.headers.get("location") ?? "";
      assert.match(location, /^\/sd\/v1\/jobs\/[\w-]+$/);
      assert.equal((await fetch(server.url + location)).status, 200);
      const link = await post(`${base}/v1/images/generations`, { ...circle, response_format: "url" });
      const { data } = (await link.json()) as { data: { url: string }[] };
      assert.ok(data[0]?.url.startsWith(`${base}/v1/images/files/`), data[0]?.url);
      await assertCircle(new Uint8Array(await (await fetch(data[0]?.url ?? "")).arrayBuffer()));
      const { servers } = (await (await fetch(`${base}/openapi.json`)).json()) as { servers: { url: string }[] };
      assert.equal(servers[0]?.url, "/sd");
    });

    test("a form arrives whole, and an error in the shape of its convention", async () => {
      const form = new FormData();
      form.set("prompt", circle.prompt);
      form.set("output_format", "bmp");
      const answer = await fetch(`${base}/v2beta/stable-image/generate/sd3`, { method: "POST", body: form });
      assert.equal(answer.status, 400);
      assert.match(((await answer.json()) as { errors: string[] }).errors[0] ?? "", /^output_format: expected one of png/);
    });

    test("events come while it draws", async () => {
      const request = { ...circle, stream: true, partial_images: 1, steps: 12 };
      const answer = await post(`${base}/v1/images/generations`, request);
      const seen: string[] = [];
      let jobWhile: View | undefined;
      for await (const { event } of messagesOf(answer) as AsyncIterable<Message>) {
        if (event === "image_generation.partial_image") [jobWhile] = await jobs();
        seen.push(event);
      }
      assert.deepEqual(seen, ["image_generation.partial_image", "image_generation.completed"]);
      assert.equal(jobWhile?.status, "running", "the first event came before the end");
    });

    test("a client that breaks off ends its picture, waiting or streaming", async () => {
      for (const more of [{}, { stream: true }]) {
        const leaving = new AbortController();
        const [known] = await jobs();
        const asked = fetch(`${base}/v1/images/generations`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ ...circle, ...more, steps: 150 }),
          signal: leaving.signal,
        }).then((answer) => answer.text());
        asked.catch(() => {});
        await until((job) => job?.id !== known?.id && job?.progress.phase === "sample");
        leaving.abort();
        await assert.rejects(asked, { name: "AbortError" });
        assert.equal((await until((job) => job?.status !== "running"))?.status, "canceled");
      }
    });
  });
}
