import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { Image } from "../../lib/index.js";
import { addPngText } from "../../lib/picture/metadata.js";
import type { RunningServer } from "../../lib/server/index.js";
import { assertCircle, assertHas, circle, post, startServer } from "../helpers/server.js";

interface Listed {
  kind: string;
  deletes: boolean;
  total: number;
  next?: string;
  pictures: { name: string; url: string; thumbnail: string; parameters: { prompt: string; seed: string } | null }[];
}

let folder: string;
let server: RunningServer;
let png: Buffer;
const list = async (query = "", url = server.url) => (await (await fetch(`${url}/v1/gallery${query}`)).json()) as Listed;

/** A picture file as the server writes it, so many seconds old. */
function put(name: string, prompt: string, age: number): void {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  const text = `${prompt}\nSteps: 8, Sampler: euler, CFG scale: 1, Seed: ${age}, Size: 640x480, Model: demo`;
  writeFileSync(file, addPngText(png, text));
  const time = Date.now() / 1000 - age;
  utimesSync(file, time, time);
}

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "sdcpp-gallery-"));
  png = await sharp({ create: { width: 640, height: 480, channels: 3, background: "#c22" } })
    .png()
    .toBuffer();
  for (let at = 1; at <= 130; at++)
    put(`day ${at % 3}/picture #${at}.png`, at % 10 === 0 ? `a lighthouse, number ${at}` : `a tree ${at}`, at);
  writeFileSync(path.join(folder, "notes.txt"), "no picture");
  writeFileSync(path.join(folder, "broken.png"), "no picture either");
  mkdirSync(path.join(folder, ".hidden"));
  writeFileSync(path.join(folder, ".hidden", "secret.png"), png);
  const outside = path.join(mkdtempSync(path.join(os.tmpdir(), "sdcpp-outside-")), "outside.png");
  writeFileSync(outside, png);
  symlinkSync(outside, path.join(folder, "link.png"));
  server = await startServer({ outputDir: folder });
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

test("the files of the output folder are listed newest first, page by page, each once", async () => {
  const seen: string[] = [];
  let next: string | undefined;
  do {
    const page = await list(`?limit=50${next ? `&after=${encodeURIComponent(next)}` : ""}`);
    assert.equal(page.kind, "files");
    assert.equal(page.total, 131, "the pictures and the broken one; no link, nothing hidden, no text");
    seen.push(...page.pictures.map(({ name }) => name));
    if (!next) put("new/came meanwhile.png", "a late one", 0); // must not shift the pages that follow
    if (!next) rmSync(path.join(folder, "new"), { recursive: true });
    next = page.next;
  } while (next);
  assert.equal(new Set(seen).size, 131);
  const numbers = seen.map((name) => Number(/#(\d+)/.exec(name)?.[1] ?? 0));
  assert.deepEqual(
    numbers,
    [...numbers].sort((a, b) => a - b),
    "by age",
  );
});

test("a search finds words of the prompt, in any case", async () => {
  const found = await list("?q=LIGHTHOUSE%20number");
  assert.equal(found.total, 13);
  assert.ok(found.pictures.every(({ parameters }) => parameters?.prompt.startsWith("a lighthouse")));
  assert.equal((await list("?q=zeppelin")).total, 0);
});

test("texts behind the pixels, in other formats and in large heads are found too", async () => {
  const text = "a zebra\nSteps: 8, Seed: 1";
  const withText = addPngText(png, text);
  const chunk = withText.subarray(33, withText.length - (png.length - 33));
  mkdirSync(path.join(folder, "zebras"), { recursive: true });
  const files = {
    "behind.png": Buffer.concat([png.subarray(0, -12), chunk, png.subarray(-12)]),
    "large.png": addPngText(png, `${"a zebra ".repeat(10_000)}\nSteps: 8, Seed: 1`),
    "zebra.jpg": await new Image(new Uint8Array(48), 4, 4, 3, text).encode("jpeg"),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(path.join(folder, "zebras", name), bytes);
  const found = await list("?q=a%20zebra");
  const prompts = found.pictures.map(({ parameters }) => parameters?.prompt.slice(0, 7));
  rmSync(path.join(folder, "zebras"), { recursive: true });
  assert.deepEqual(prompts, ["a zebra", "a zebra", "a zebra"]);
});

test("pictures, thumbnails and parameters come by the addresses of the list", async () => {
  const [one] = (await list("?q=number%2050")).pictures;
  assert.ok(one);
  const picture = await fetch(server.url + one.url);
  assert.equal(picture.headers.get("content-type"), "image/png");
  assert.equal((await sharp(await picture.arrayBuffer()).metadata()).width, 640);
  for (let time = 0; time < 2; time++) {
    const small = await fetch(server.url + one.thumbnail);
    assert.equal(small.headers.get("content-type"), "image/webp");
    const { width, height } = await sharp(await small.arrayBuffer()).metadata();
    assert.deepEqual([width, height], [320, 240]);
  }
  const all = (await (await fetch(`${server.url}${one.url.replace("/pictures/", "/parameters/")}`)).json()) as { parameters: object };
  assertHas(all.parameters, { prompt: "a lighthouse, number 50", seed: "50", steps: 8, sampler: "euler" });
  const broken = (await list("?q=broken")).pictures[0];
  assert.equal((await fetch(server.url + broken?.thumbnail)).status, 422);
});

test("only names of the listing are looked up", async () => {
  for (const name of ["link.png", ".hidden/secret.png", "..%2Fetc%2Fpasswd", "notes.txt", "%2Fetc%2Fpasswd", "day%201/../broken.png%00"]) {
    for (const kind of ["pictures", "thumbnails", "parameters"]) {
      const answer = await fetch(`${server.url}/v1/gallery/${kind}/${name}`);
      assert.equal(answer.status, 404, `${kind}/${name}`);
      assert.doesNotMatch(await answer.text(), /root:|tmp/);
    }
  }
  for (const query of ["?limit=0", "?limit=1000", "?limit=x", "?after=nonsense"])
    assert.equal((await fetch(`${server.url}/v1/gallery${query}`)).status, 400, query);
});

test("files are deleted with allowDelete alone", async () => {
  const url = `/v1/gallery/pictures/${encodeURIComponent("day 1")}/${encodeURIComponent("picture #1.png")}`;
  const file = path.join(folder, "day 1", "picture #1.png");
  const refused = await fetch(server.url + url, { method: "DELETE" });
  assert.equal(refused.status, 403);
  assert.match(await refused.text(), /--allow-delete/);
  assert.ok(existsSync(file));
  await using other = await startServer({ outputDir: folder, allowDelete: true });
  assert.equal((await list("", other.url)).deletes, true);
  assert.equal((await fetch(`${other.url}/v1/gallery/pictures/link.png`, { method: "DELETE" })).status, 404);
  assert.equal((await fetch(other.url + url, { method: "DELETE" })).status, 200);
  assert.ok(!existsSync(file));
  assert.equal((await list("", other.url)).total, 130);
  assert.equal((await fetch(other.url + url)).status, 404);
});

test("without a folder the gallery is what the owner's jobs hold, and with several keys too", async () => {
  const out = mkdtempSync(path.join(os.tmpdir(), "sdcpp-keys-"));
  await using keyed = await startServer({ apiKeys: ["one", "two"], outputDir: out });
  const as = (key: string) => ({ authorization: `Bearer ${key}` });
  const drawn = await post(`${keyed.url}/v1/jobs`, { ...circle, batchCount: 2 }, { ...as("one"), accept: "image/png" });
  assert.equal(drawn.status, 200);
  const of = async (key: string) => (await (await fetch(`${keyed.url}/v1/gallery`, { headers: as(key) })).json()) as Listed;
  const own = await of("one");
  assert.equal(own.kind, "memory");
  assert.equal(own.total, 2);
  assert.equal(own.pictures[0]?.parameters?.prompt, circle.prompt);
  await assertCircle(new Uint8Array(await (await fetch(keyed.url + own.pictures[1]?.url, { headers: as("one") })).arrayBuffer()));
  assert.equal((await of("two")).total, 0, "a file does not say whose it is");
  assert.equal((await fetch(keyed.url + own.pictures[0]?.url, { headers: as("two") })).status, 404);
  assert.equal((await fetch(keyed.url + own.pictures[0]?.url, { method: "DELETE", headers: as("one") })).status, 403, "they are files too");
  assert.equal(readdirSync(out, { recursive: true }).filter((name) => String(name).endsWith(".png")).length, 2);
});

test("a picture that is sent tells how it was made", async () => {
  const form = new FormData();
  form.append("image", new Blob([new Uint8Array(addPngText(png, "a tree\nSteps: 3, Seed: 9007199254740993"))]), "x.png");
  const told = (await (await fetch(`${server.url}/v1/parameters`, { method: "POST", body: form })).json()) as object;
  assertHas(told, { width: 640, height: 480, parameters: { prompt: "a tree", steps: 3, seed: "9007199254740993" } });
  const plain = await post(`${server.url}/v1/parameters`, { image: png.toString("base64") });
  assert.deepEqual(await plain.json(), { width: 640, height: 480, parameters: null });
  const wrong = await post(`${server.url}/v1/parameters`, { image: Buffer.from("no picture").toString("base64") });
  assert.equal(wrong.status, 400);
  assert.equal(((await wrong.json()) as { error: { param: string } }).error.param, "image");
});

test("a picture is made larger as a job", async () => {
  const form = new FormData();
  form.append("image", new Blob([new Uint8Array(addPngText(png, "a tree\nSteps: 3"))]), "x.png");
  form.append("scale", "1.5");
  const answer = await fetch(`${server.url}/v1/upscales`, { method: "POST", body: form });
  assert.equal(answer.status, 202);
  const { id } = (await answer.json()) as { id: string };
  await (await fetch(`${server.url}/v1/jobs/${id}/events`)).text();
  const job = (await (await fetch(`${server.url}/v1/jobs/${id}`)).json()) as {
    status: string;
    images: { width: number; parameters: string }[];
  };
  assert.equal(job.status, "done");
  assert.equal(job.images[0]?.width, 960);
  assert.match(job.images[0]?.parameters ?? "", /a tree/);
  const unknown = await post(`${server.url}/v1/upscales`, { image: png.toString("base64"), upscaler: "none" });
  assert.equal(unknown.status, 404);
});
