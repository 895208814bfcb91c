import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { DownloadError } from "../../../lib/errors.js";
import { contents, filesBelow } from "../../helpers/catalog.js";
import { sha256 } from "../../helpers/hub.js";
import { model, Pulls, repository } from "../../helpers/pulls.js";

const pulls = new Pulls();

describe("interruptions", () => {
  it("reject with the signal's reason, and the next pull goes on", async () => {
    const reason = new Error("enough");
    await assert.rejects(pulls.run({ signal: AbortSignal.abort(reason) }), (error) => error === reason);
    assert.equal(pulls.hub.requests.length, 0);
    pulls.hub.always.set(model, { throttle: 1024 });
    const controller = new AbortController();
    const stop = pulls.run({
      signal: controller.signal,
      onProgress: (event) => event.type === "progress" && event.bytes > 50_000 && controller.abort(reason),
    });
    await assert.rejects(stop, (error) => error === reason);
    const names = (await filesBelow(pulls.home)).filter((file) => file.endsWith(".part"));
    assert.ok(names.includes(`models/${repository}/${model}.part`), String(names));
    pulls.hub.always.delete(model);
    const { statuses } = await pulls.watch();
    assert.deepEqual(statuses(model), ["resume", "done"]);
    await pulls.assertComplete();
  });

  it("in a pause or in silence end at once", async () => {
    for (const fault of [{ status: 503, headers: { "retry-after": "500" } }, { silentAfter: -1 }, { silentAfter: 1000 }]) {
      pulls.hub.always.set(model, fault);
      const controller = new AbortController();
      const stop = pulls.run({ signal: controller.signal }, { stallTimeout: 600_000 });
      while (pulls.hub.requestsOf(model).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      pulls.hub.requests.length = 0;
      setTimeout(() => controller.abort(), 20);
      await assert.rejects(stop, { name: "AbortError" });
    }
  });

  it("that leave anything in the part file do no harm", async () => {
    const whole = contents[model];
    const record = { etag: `"${sha256(whole).slice(0, 16)}"`, bytes: 400_000, sha256: sha256(whole) };
    const parts: [string, Buffer, string | undefined][] = [
      ["right, without a record", whole.subarray(0, 123_457), undefined],
      ["right and complete", whole, JSON.stringify(record)],
      ["too long", Buffer.concat([whole, Buffer.alloc(1)]), JSON.stringify(record)],
      [
        "with zeros at its end, as after a loss of power",
        Buffer.concat([whole.subarray(0, 1000), Buffer.alloc(1000)]),
        JSON.stringify(record),
      ],
      ["of another file, complete", Buffer.alloc(400_000), JSON.stringify(record)],
      ["of another file, whose record says so", Buffer.alloc(300_000), JSON.stringify({ ...record, sha256: "0".repeat(64) })],
      ["with a damaged record", whole.subarray(0, 1000), "{"],
      ["empty", Buffer.alloc(0), JSON.stringify(record)],
    ];
    for (const [name, part, text] of parts) {
      await rm(pulls.home, { recursive: true });
      await mkdir(pulls.at(""), { recursive: true });
      await writeFile(pulls.at(`${model}.part`), part);
      if (text !== undefined) await writeFile(pulls.at(`${model}.part.json`), text);
      await pulls.run();
      await pulls.assertComplete().catch((error) => assert.fail(`${name}: ${error}`));
    }
  });

  it("of one file stop the others, which keep what they have", async () => {
    pulls.hub.always.set("clip_l.safetensors", { throttle: 256 });
    pulls.hub.always.set(model, { status: 404 });
    await assert.rejects(pulls.run(), (error) => error instanceof DownloadError && /HTTP 404/.test(error.message));
    pulls.hub.always.clear();
    await pulls.run();
    await pulls.assertComplete();
  });
});

describe("two pulls at once", () => {
  it("of the same model share the work", async () => {
    pulls.hub.always.set(model, { throttle: 8192 });
    const [first, second] = await Promise.all([pulls.run(), pulls.run()]);
    assert.equal(first.received + second.received, 640_000 + contents["LICENSE.md"].length);
    assert.equal(pulls.hub.requestsOf(model).length, 1);
    await pulls.assertComplete();
  });

  it("the second goes on when the first is stopped", async () => {
    pulls.hub.always.set(model, { throttle: 2048 });
    const controller = new AbortController();
    const first = pulls.run({ signal: controller.signal });
    while (pulls.hub.requestsOf(model).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const second = pulls.watch();
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(first, { name: "AbortError" });
    const { error, statuses } = await second;
    assert.equal(error, undefined);
    assert.equal(statuses(model).at(-1), "done");
    await pulls.assertComplete();
  });
});
