import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { contents } from "../helpers/catalog.js";
import { Pulls } from "../helpers/pulls.js";
import { assertHas, post, startServer } from "../helpers/server.js";

interface View {
  id: string;
  status: string;
  model: string;
  bytes?: number;
  size?: number;
  error?: { code: string; message: string };
}

describe("models that can be had", () => {
  const pulls = new Pulls();

  async function ended(url: string, id: string): Promise<View> {
    for (;;) {
      const view = (await (await fetch(`${url}/v1/pulls/${id}`)).json()) as View;
      if (view.status !== "running") return view;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  test("a model is listed with its license, pulled when that is accepted, and then served", async () => {
    await using server = await startServer();
    const catalog = async () =>
      (await (await fetch(`${server.url}/v1/catalog`)).json()) as {
        pull_allowed: boolean;
        models: { id: string; state: string; license: { text: string; accepted: boolean } }[];
      };
    const before = await catalog();
    assert.equal(before.pull_allowed, true);
    const listed = before.models.find(({ id }) => id === "sd3.5-medium:q4_0");
    assert.equal(listed?.state, "absent");
    assert.match(listed?.license.text ?? "", /Powered by Stability AI/);
    assert.equal(listed?.license.accepted, false);

    const refused = (await (await post(`${server.url}/v1/pulls`, { model: "sd3.5-medium" })).json()) as View;
    assert.equal(refused.model, "sd3.5-medium:q4_0", "an alias stands for the model");
    assert.equal((await ended(server.url, refused.id)).error?.code, "ERR_LICENSE");

    const answer = await post(`${server.url}/v1/pulls`, { model: "sd3.5-medium", acceptLicense: true });
    assert.equal(answer.status, 202);
    const { id } = (await answer.json()) as View;
    const done = await ended(server.url, id);
    assert.equal(done.status, "done", JSON.stringify(done.error));
    await pulls.assertComplete();
    const after = (await catalog()).models.find(({ id }) => id === "sd3.5-medium:q4_0");
    assert.equal(after?.state, "complete");
    assert.equal(after?.license.accepted, true);
  });

  test("a download can be watched and stopped, drawing goes on beside it, and it is not begun twice", async () => {
    await using server = await startServer();
    pulls.hub.always.set("model-Q4_0.gguf", { throttle: 50 });
    const start = async () =>
      (await (await post(`${server.url}/v1/pulls`, { model: "sd3.5-medium:q4_0", acceptLicense: true })).json()) as View;
    const { id } = await start();
    assert.equal((await start()).id, id);
    let view: View;
    do {
      view = (await (await fetch(`${server.url}/v1/pulls/${id}`)).json()) as View;
    } while ((view.bytes ?? 0) < 10_000 && view.status === "running");
    assert.equal(view.status, "running");
    assert.ok((view.size ?? 0) > contents["model-Q4_0.gguf"].length);
    const drawn = await post(`${server.url}/v1/jobs`, { prompt: "a red circle", steps: 1, width: 64, height: 64 }, { accept: "image/png" });
    assert.equal(drawn.status, 200);
    const stopped = (await (await fetch(`${server.url}/v1/pulls/${id}`, { method: "DELETE" })).json()) as View;
    assert.equal(stopped.status, "canceled");
    pulls.hub.always.delete("model-Q4_0.gguf");
    assert.equal((await ended(server.url, (await start()).id)).status, "done", "it goes on where it was");
  });

  test("with keys, or by allowPull: false, nothing is downloaded", async () => {
    for (const options of [{ apiKeys: ["secret"] }, { allowPull: false }]) {
      await using server = await startServer(options);
      const answer = await post(
        `${server.url}/v1/pulls`,
        { model: "sd3.5-medium", acceptLicense: true },
        { authorization: "Bearer secret" },
      );
      assert.equal(answer.status, 403);
      assert.match(await answer.text(), /--allow-pull/);
    }
    assert.equal(pulls.hub.requests.length, 0);
  });
});

test("whether a model fits is told by its name", async () => {
  await using server = await startServer();
  const answer = await fetch(`${server.url}/v1/estimate?model=demo&width=256&height=128`);
  assert.equal(answer.status, 200, await answer.clone().text());
  const estimate = (await answer.json()) as { model: string; fits: boolean; width: number; devices: { cpu: { peak: number } } };
  assertHas(estimate, { model: "demo", fits: true, width: 256, height: 128 });
  assert.ok(estimate.devices.cpu.peak > 2 ** 20);
  assert.equal((await fetch(`${server.url}/v1/estimate?model=none`)).status, 404);
  assert.equal((await fetch(`${server.url}/v1/estimate?width=1.5`)).status, 400);
});
