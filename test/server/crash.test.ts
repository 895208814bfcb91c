import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunningServer } from "../../lib/server/index.js";
import { latest } from "../helpers/processes.js";
import { assertCircle, circle, post, startServer } from "../helpers/server.js";

let server: RunningServer;
before(async () => {
  server = await startServer({ load: { isolate: true } });
});
after(() => server.close());

interface View {
  id: string;
  status: string;
  progress: { phase?: string };
  error?: { code: string; message: string };
}

const view = async (id: string) => (await (await fetch(`${server.url}/v1/jobs/${id}`)).json()) as View;

test("an engine that is killed costs the job in work, told as such; those that wait are drawn", async () => {
  const submit = async (steps: number) => (await (await post(`${server.url}/v1/jobs`, { ...circle, steps })).json()) as View;
  const first = await submit(150);
  const others = await Promise.all([submit(8), submit(8)]);
  while ((await view(first.id)).progress.phase !== "sample") await sleep(10);
  latest().kill("SIGKILL");
  const ended = async (id: string) => {
    for (;;) {
      const job = await view(id);
      if (["done", "failed", "canceled"].includes(job.status)) return job;
      await sleep(20);
    }
  };
  const lost = await ended(first.id);
  assert.equal(lost.status, "failed");
  assert.equal(lost.error?.code, "ERR_ENGINE_CRASH");
  assert.match(lost.error?.message ?? "", /SIGKILL/);
  for (const { id } of others) {
    assert.equal((await ended(id)).status, "done");
    await assertCircle(new Uint8Array(await (await fetch(`${server.url}/v1/jobs/${id}/images/0.png`)).arrayBuffer()));
  }
});
