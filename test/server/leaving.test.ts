import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunningServer } from "../../lib/server/index.js";
import { circle, post, startServer } from "../helpers/server.js";

let server: RunningServer;
before(async () => {
  server = await startServer();
});
after(() => server.close());

interface View {
  id: string;
  status: string;
  progress: { phase?: string; step?: number };
}

const jobs = async () => ((await (await fetch(`${server.url}/v1/jobs`)).json()) as { jobs: View[] }).jobs;
const steps = async () => Number(/^sdcpp_steps_total (\d+)$/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1]);

/** Waits until a job has come so far, or has ended. */
async function until(find: (job: View) => boolean, reached: (job: View) => boolean): Promise<View> {
  for (;;) {
    const job = (await jobs()).find(find);
    if (job && (reached(job) || ["done", "failed", "canceled"].includes(job.status))) return job;
    await sleep(5);
  }
}

const ended = () => false;

/** Puts a picture in as one who waits for it, and leaves when it has come so far. */
async function leaveWhen(reached: (job: View) => boolean): Promise<View> {
  const known = new Set((await jobs()).map(({ id }) => id));
  const client = new AbortController();
  const answer = fetch(`${server.url}/v1/jobs`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "image/png" },
    body: JSON.stringify({ ...circle, steps: 100 }),
    signal: client.signal,
  });
  answer.catch(() => {});
  const { id } = await until((job) => !known.has(job.id), reached);
  client.abort();
  await assert.rejects(answer, { name: "AbortError" });
  return until((job) => job.id === id, ended);
}

for (const [phase, reached] of [
  ["the load", (job: View) => job.status === "running"], // nothing is loaded before the first picture
  ["the encoding", (job: View) => job.progress.phase === "encode" || job.progress.phase === "sample"],
  ["the steps", (job: View) => (job.progress.step ?? 0) >= 2 && job.progress.phase === "sample"],
] as const) {
  test(`a client that leaves during ${phase} stops its picture`, async () => {
    const job = await leaveWhen(reached);
    assert.equal(job.status, "canceled");
    const before = await steps();
    assert.ok((job.progress.step ?? 0) < 100, "it stopped before its end");
    await sleep(300);
    assert.equal(await steps(), before, "and nothing is computed for it any more");
  });
}

test("who waits for the picture itself gets it", async () => {
  const answer = await post(`${server.url}/v1/jobs`, { ...circle, steps: 2 }, { accept: "image/webp" });
  assert.equal(answer.headers.get("content-type"), "image/webp");
  assert.equal(answer.headers.get("x-seed"), "3");
});

test("a client that leaves while it waits gives up its place", async () => {
  const first = (await (await post(`${server.url}/v1/jobs`, { ...circle, steps: 100 })).json()) as View;
  const job = await leaveWhen(({ status }) => status === "queued");
  assert.equal(job.status, "canceled");
  await fetch(`${server.url}/v1/jobs/${first.id}`, { method: "DELETE" });
});

test("who watches a job by its events may leave without stopping it", async () => {
  const job = (await (await post(`${server.url}/v1/jobs`, { ...circle, steps: 3 })).json()) as View;
  const client = new AbortController();
  const events = await fetch(`${server.url}/v1/jobs/${job.id}/events`, { signal: client.signal });
  await events.body?.getReader().read();
  client.abort();
  assert.equal((await until(({ id }) => id === job.id, ended)).status, "done");
});
