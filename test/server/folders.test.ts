import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { demoFiles } from "../../lib/catalog/demo.js";
import { createHandler } from "../../lib/server/index.js";
import { circle, post, startServer } from "../helpers/server.js";

/** Files and folders that change, or go away, while the server runs. */

const newFolder = () => mkdtempSync(path.join(os.tmpdir(), "sdcpp folders-"));
const secret = "lighthouse";

describe("the output folder", () => {
  const ask = { ...circle, prompt: secret, steps: 1 };

  test("is made anew when it was deleted", async () => {
    const outputDir = newFolder();
    await using server = await startServer({ outputDir });
    rmSync(outputDir, { recursive: true });
    assert.equal((await post(`${server.url}/v1/jobs`, ask, { accept: "image/png" })).status, 200);
  });

  test("that takes no file is the server's failure: told and logged as such, without the prompt", async () => {
    const outputDir = newFolder();
    const log: string[] = [];
    await using server = await startServer({ outputDir, onLog: (line) => log.push(line) });
    rmSync(outputDir, { recursive: true });
    writeFileSync(outputDir, "");
    for (const [route, body] of [
      ["/v1/images/generations", { ...ask, size: "64x64" }],
      ["/sdapi/v1/txt2img", ask],
      ["/images/generations", ask],
      ["/hf", { inputs: secret, parameters: { num_inference_steps: 1 } }],
    ] as const) {
      const answer = await post(`${server.url}${route}`, body);
      assert.equal(answer.status, 500, route);
      assert.match(await answer.text(), /the output folder does not take it: ENOTDIR/);
    }
    const { id } = (await (await post(`${server.url}/v1/jobs`, ask)).json()) as { id: string };
    await (await fetch(`${server.url}/v1/jobs/${id}/events`)).text();
    assert.ok(log.includes(`job ${id}: not_saved: The picture is drawn, but the output folder does not take it: ENOTDIR.`), log.join("\n"));
    assert.doesNotMatch(log.join("\n"), new RegExp(`${secret}|    at `));
  });

  test("without a picture's file any more is 404, also for who has its address alone", async () => {
    const outputDir = newFolder();
    await using server = await startServer({ outputDir });
    const answer = await post(`${server.url}/v1/images/generations`, { ...ask, size: "64x64", response_format: "url" });
    const { data } = (await answer.json()) as { data: { url: string }[] };
    rmSync(outputDir, { recursive: true });
    const gone = await fetch(data[0]?.url ?? "");
    assert.equal(gone.status, 404);
    assert.doesNotMatch(await gone.text(), new RegExp(secret));
  });
});

test("a model whose files are gone is an error that tells no folder", async () => {
  const root = newFolder();
  const folder = path.join(root, "inner one", "my model");
  mkdirSync(folder, { recursive: true });
  for (const file of Object.values(await demoFiles())) copyFileSync(file, path.join(folder, path.basename(file)));
  const relative = path.relative(process.cwd(), folder);
  for (const given of [folder, relative]) {
    await using handler = createHandler({ model: { files: given }, load: { threads: 1, isolate: false } });
    assert.equal((await handler.models())[0], "my model");
    rmSync(folder, { recursive: true, force: true });
    const request = new Request("http://localhost/v1/jobs", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "image/png" },
      body: JSON.stringify(circle),
    });
    const answer = await handler.fetch(request);
    assert.equal(answer.status, 422);
    const text = await answer.text();
    assert.match(text, /my model does not exist/);
    assert.doesNotMatch(text, /inner|sdcpp folders/);
    mkdirSync(folder, { recursive: true });
    for (const file of Object.values(await demoFiles())) copyFileSync(file, path.join(folder, path.basename(file)));
  }
});

test("files that are no models keep nobody from the others", async () => {
  const modelsDir = newFolder();
  const length = (bytes: number) => Buffer.from(BigUint64Array.of(BigInt(bytes)).buffer);
  for (const [name, content] of Object.entries({
    "a.gguf": "GGUF",
    "b.gguf": Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(4, 3), Buffer.alloc(100, 0xff)]),
    "c.safetensors": "",
    "d.safetensors": Buffer.concat([length(2 ** 52), Buffer.from("{}")]),
    "e.safetensors": Buffer.concat([length(10), Buffer.from('{"a":null}')]),
    "f.ckpt": "PK\x03\x04",
    "g.pth": "\x80\x02}q\0.",
  }))
    writeFileSync(path.join(modelsDir, name), content);
  mkdirSync(path.join(modelsDir, "h.gguf"));
  mkdirSync(path.join(modelsDir, "i"));
  writeFileSync(path.join(modelsDir, "i", "model_index.json"), "{");
  await using handler = createHandler({ modelsDir });
  assert.deepEqual(await handler.models(), ["demo"]);
});
