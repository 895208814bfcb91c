import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { loadModel } from "../../lib/index.js";
import type { RunningServer } from "../../lib/server/index.js";
import { assertCircle, circle, post, startServer } from "../helpers/server.js";

let server: RunningServer;
before(async () => {
  server = await startServer();
});
after(() => server.close());

interface View {
  id: string;
  status: string;
  images: { url: string; seed: string }[];
}

async function job(body: object): Promise<View> {
  const answer = await post(`${server.url}/v1/jobs`, body);
  assert.equal(answer.status, 202, await answer.clone().text());
  return (await answer.json()) as View;
}

async function eventsOf(
  id: string,
  headers: Record<string, string> = {},
): Promise<{ id: number; event: string; data: Record<string, unknown> }[]> {
  const answer = await fetch(`${server.url}/v1/jobs/${id}/events`, { headers });
  assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/);
  const blocks = (await answer.text()).split("\n\n").filter((block) => block.includes("event:"));
  return blocks.map((block) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? "";
    return { id: Number(field("id")), event: field("event"), data: JSON.parse(field("data")) };
  });
}

test("a job is drawn, watched and fetched", async () => {
  const { id } = await job({ ...circle, preview: true });
  const events = await eventsOf(id);
  const kinds = events.map(({ event }) => event);
  for (const kind of ["running", "phase", "progress", "preview", "image", "done"]) assert.ok(kinds.includes(kind), `${kind} in ${kinds}`);
  assert.equal(kinds.at(-1), "done");
  const view = (await (await fetch(`${server.url}/v1/jobs/${id}`)).json()) as View;
  assert.equal(view.status, "done");
  assert.equal(view.images[0]?.seed, "3");
  const png = await fetch(`${server.url}${view.images[0]?.url}`);
  assert.equal(png.headers.get("content-type"), "image/png");
  await assertCircle(new Uint8Array(await png.arrayBuffer()));
  for (const [ending, type] of [
    ["jpg", "image/jpeg"],
    ["webp", "image/webp"],
    ["avif", "image/avif"],
  ] as const) {
    const answer = await fetch(`${server.url}/v1/jobs/${id}/images/0.${ending}`);
    assert.equal(answer.headers.get("content-type"), type);
    await assertCircle(new Uint8Array(await answer.arrayBuffer()));
  }
});

test("a listener that comes back gets what it has missed, and nothing twice", async () => {
  const { id } = await job(circle);
  const all = await eventsOf(id);
  const middle = all.findIndex(({ event }) => event === "phase");
  const again = await eventsOf(id, { "last-event-id": String(all[middle]?.id) });
  assert.ok(again.every((event) => event.id > (all[middle]?.id ?? 0)));
  assert.deepEqual(
    again.filter(({ event }) => event === "image" || event === "done").map(({ event }) => event),
    ["image", "done"],
  );
});

test("waiting jobs have places, are moved, canceled and cleared", async () => {
  const first = await job({ ...circle, steps: 100 });
  const [a, b, c] = [await job(circle), await job(circle), await job(circle)];
  const place = async (id: string) => ((await (await fetch(`${server.url}/v1/jobs/${id}`)).json()) as { position?: number }).position;
  assert.deepEqual([await place(a.id), await place(b.id), await place(c.id)], [1, 2, 3]);
  const moved = await fetch(`${server.url}/v1/jobs/${c.id}`, {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ position: 1 }),
  });
  assert.equal(moved.status, 200);
  assert.deepEqual([await place(c.id), await place(a.id), await place(b.id)], [1, 2, 3]);
  const gone = (await (await fetch(`${server.url}/v1/jobs/${a.id}`, { method: "DELETE" })).json()) as View;
  assert.equal(gone.status, "canceled");
  assert.deepEqual([await place(c.id), await place(b.id)], [1, 2]);
  const cleared = (await (await fetch(`${server.url}/v1/jobs`, { method: "DELETE" })).json()) as { canceled: string[] };
  assert.deepEqual(cleared.canceled, [c.id, b.id]);
  const running = (await (await fetch(`${server.url}/v1/jobs/${first.id}`, { method: "DELETE" })).json()) as View;
  assert.equal(running.status, "canceled");
  assert.equal((await eventsOf(first.id)).at(-1)?.event, "canceled");
});

test("what is wrong is named before anything waits", async () => {
  for (const [body, status, pattern] of [
    [{ prompt: "x", steps: 1e6 }, 400, /steps/],
    [{ prompt: "x", steps: 151 }, 400, /steps.*150/],
    [{ prompt: "x", wdth: 64 }, 400, /did you mean width/],
    [{ prompt: "x", model: "gone" }, 404, /no model named "gone"/],
    [{ prompt: "<lora:../../etc/passwd>" }, 404, /LoRA/],
    [{ prompt: "x", initImage: "/etc/hostname" }, 400, /initImage/],
    [{ prompt: "x", initImage: "http://127.0.0.1/x.png" }, 400, /not fetched/],
    [{}, 400, /prompt/],
  ] as const) {
    const answer = await post(`${server.url}/v1/jobs`, body);
    const { error } = (await answer.json()) as { error: { message: string } };
    assert.equal(answer.status, status, JSON.stringify(body));
    assert.match(error.message, pattern);
  }
});

test("the list of models has each one's limits, before it is loaded", async () => {
  const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as {
    data: { id: string; max_side: number; defaults: object }[];
  };
  await using model = await loadModel({ preset: "demo" });
  const demo = data.find(({ id }) => id === "demo");
  assert.equal(demo?.max_side, model.info.maxSide);
  assert.deepEqual(demo?.defaults, model.info.defaults);
  const answer = await post(`${server.url}/v1/jobs`, { prompt: "x", width: model.info.maxSide + 16 });
  assert.equal(answer.status, 400);
});
