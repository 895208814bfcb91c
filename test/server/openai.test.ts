import assert from "node:assert/strict";
import { copyFile, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import OpenAI, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
  toFile,
} from "openai";
import sharp from "sharp";
import { demoFiles } from "../../lib/catalog/demo.js";
import type { RunningServer } from "../../lib/server/index.js";
import { assertCircle, circle, post, startServer } from "../helpers/server.js";

let server: RunningServer;
let client: OpenAI;
before(async () => {
  server = await startServer({ apiKeys: ["sesame"], maxQueue: 1 });
  client = clientWith({});
});
after(() => server.close());

const clientWith = (options: object) => new OpenAI({ apiKey: "sesame", baseURL: `${server.url}/v1`, maxRetries: 0, ...options });
const bytesOf = (base64 = "") => Buffer.from(base64, "base64");
const seeded = { ...circle } as { prompt: string }; // the SDK's types know no seed
const authorized = { authorization: "Bearer sesame" };

const plain = (width: number, height: number, background: string) =>
  sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();

/** Opaque but for a square in the middle, half as wide. */
async function maskOf(side: number): Promise<Buffer> {
  const quarter = Math.floor(side / 4);
  const raw = Buffer.alloc(side * side * 4, 255);
  for (let y = quarter; y < side - quarter; y++) for (let x = quarter; x < side - quarter; x++) raw[(y * side + x) * 4 + 3] = 0;
  return sharp(raw, { raw: { width: side, height: side, channels: 4 } })
    .png()
    .toBuffer();
}

async function pixelsOf(bytes: Uint8Array) {
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)];
  return { width: info.width, height: info.height, at };
}

interface JobView {
  id: string;
  status: string;
  progress: { phase?: string; step?: number; steps?: number };
}

async function latestJob(): Promise<JobView | undefined> {
  const { jobs } = (await (await fetch(`${server.url}/v1/jobs`, { headers: authorized })).json()) as { jobs: JobView[] };
  return jobs[0];
}

async function until(check: (job: JobView) => boolean): Promise<JobView> {
  for (;;) {
    const job = await latestJob();
    if (job && check(job)) return job;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const quick = { steps: 1 };
const long = { ...seeded, steps: 150 } as { prompt: string };

describe("npm openai", () => {
  it("draws, and is told what and how", async () => {
    const { data, response } = await client.images.generate({ ...seeded, n: null, size: null, user: "me" }).withResponse();
    await assertCircle(bytesOf(data.data?.[0]?.b64_json));
    const { output_format, size, background, quality, usage } = data;
    assert.deepEqual(
      { output_format, size, background, quality },
      { output_format: "png", size: "128x128", background: "opaque", quality: "medium" },
    );
    assert.deepEqual(usage, {
      input_tokens: 7,
      input_tokens_details: { text_tokens: 7, image_tokens: 0 },
      output_tokens: 64,
      output_tokens_details: { text_tokens: 0, image_tokens: 64 },
      total_tokens: 71,
    });
    assert.equal((data.data?.[0] as { seed?: number } | undefined)?.seed, 3);
    assert.equal(response.headers.get("x-sdcpp-model"), "demo");
    assert.match(response.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
  });

  it("gets the size, the format and the number that it asks for", async () => {
    const answer = await client.images.generate({
      ...seeded,
      model: "gpt-image-1",
      n: 2,
      size: "100x72",
      quality: "low",
      output_format: "jpeg",
      output_compression: 80,
    });
    assert.equal(answer.data?.length, 2);
    assert.equal(answer.size, "100x72");
    assert.equal(answer.quality, "low");
    for (const { b64_json } of answer.data ?? []) {
      const { width, height, format } = await sharp(bytesOf(b64_json)).metadata();
      assert.deepEqual([width, height, format], [100, 72, "jpeg"]);
    }
    assert.equal((await until((job) => job.status === "done")).progress.steps, 4); // half of the demo's
    assert.match(String((answer as unknown as { warnings: string[] }).warnings), /no model named "gpt-image-1".*demo/);
  });

  it("fetches a picture by its URL without the key", async () => {
    const { data } = await client.images.generate({ ...seeded, response_format: "url" });
    const { url = "", b64_json } = data?.[0] ?? {};
    assert.equal(b64_json, undefined);
    assert.ok(url.startsWith(`${server.url}/v1/images/files/`), url);
    const answer = await fetch(url);
    assert.equal(answer.headers.get("content-type"), "image/png");
    await assertCircle(new Uint8Array(await answer.arrayBuffer()));
    const other = await fetch(url.replace(/[^/]{4}\.png$/, "AAAA.png"));
    assert.equal(other.status, 404);
  });

  it("redraws what its mask leaves open, and nothing else", async () => {
    for (const side of [128, 100]) {
      // 100 cannot be drawn as it is
      const answer = await client.images.edit({
        ...seeded,
        image: await toFile(await plain(side, side, "#00ff00"), "image.png", { type: "image/png" }),
        mask: await toFile(await maskOf(side), "mask.png", { type: "image/png" }),
      });
      const { width, height, at } = await pixelsOf(bytesOf(answer.data?.[0]?.b64_json));
      assert.deepEqual([width, height], [side, side]);
      for (const spot of [2, side - 3]) assert.deepEqual(at(spot, spot), [0, 255, 0]);
      const [red = 0, green = 255] = at(side / 2, side / 2);
      assert.ok(red > green + 80, `${red} ${green}`);
    }
  });

  it("begins with the picture that it sends, of several with the first", async () => {
    const { data: first } = await client.images.generate(seeded);
    const image = await toFile(bytesOf(first?.[0]?.b64_json), "image.png", { type: "image/png" });
    const second = await toFile(await plain(64, 64, "white"), "other.png", { type: "image/png" });
    const edited = await client.images.edit({ prompt: "a red circle on a blue background", image: [image, second] });
    await assertCircle(bytesOf(edited.data?.[0]?.b64_json));
    assert.match(String((edited as unknown as { warnings: string[] }).warnings), /of 2 the first/);
    const varied = await client.images.createVariation({ image, n: 1 });
    await assertCircle(bytesOf(varied.data?.[0]?.b64_json));
  });

  it("may send JSON where a form is usual, a form where JSON is, and a picture that is its own mask", async () => {
    const hollow = `data:image/png;base64,${(await maskOf(64)).toString("base64")}`; // white, with a hole
    const body = { ...seeded, ...quick, images: [{ image_url: hollow }] };
    const edited = await post(`${server.url}/v1/images/edits`, body, { ...authorized, "x-forwarded-proto": "https" });
    const { data } = (await edited.json()) as { data: { b64_json: string }[] };
    const { width, at } = await pixelsOf(bytesOf(data[0]?.b64_json));
    assert.equal(width, 64);
    assert.deepEqual(at(2, 2), [255, 255, 255]);
    assert.notDeepEqual(at(32, 32), [255, 255, 255]);

    const form = new FormData();
    const fields = { prompt: "x", n: "1", steps: "1", stream: "false", size: "32x32", response_format: "url", loras: "[]", quality: "" };
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    const headers = { ...authorized, "x-forwarded-proto": "https" };
    const drawn = await fetch(`${server.url}/v1/images/generations`, { method: "POST", headers, body: form });
    const { data: links, size } = (await drawn.json()) as { data: { url: string }[]; size: string };
    assert.equal(size, "32x32");
    assert.match(links[0]?.url ?? "", /^https:/);
  });

  it("watches a picture come", async () => {
    const stream = await client.images.generate({ ...seeded, stream: true, partial_images: 2, output_format: "webp" });
    const types: string[] = [];
    for await (const event of stream) {
      types.push(event.type);
      const { width, format } = await sharp(bytesOf(event.b64_json)).metadata();
      assert.deepEqual([width, format, event.size, event.output_format], [128, "webp", "128x128", "webp"]);
      if (event.type === "image_generation.partial_image") assert.equal(event.partial_image_index, types.length - 1);
      else {
        assert.equal(event.usage.output_tokens, 64);
        await assertCircle(bytesOf(event.b64_json));
      }
    }
    assert.deepEqual(types, ["image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"]);
    const image = await toFile(await plain(64, 64, "#00ff00"), "image.png", { type: "image/png" });
    for await (const event of await client.images.edit({ ...seeded, image, stream: true }))
      assert.equal(event.type, "image_edit.completed");
  });

  it("stops a picture by breaking off", async () => {
    for (const stop of [
      async () => {
        const controller = new AbortController();
        const answer = client.images.generate(long, { signal: controller.signal });
        const refused = assert.rejects(answer, APIUserAbortError);
        await until(({ status, progress }) => status === "running" && progress.phase === "sample" && (progress.step ?? 0) > 0);
        controller.abort();
        await refused;
      },
      async () => {
        const shorter = { ...seeded, steps: 24 }; // the first unfinished one comes after a quarter
        for await (const _event of await client.images.generate({ ...shorter, stream: true, partial_images: 3 })) break;
      },
    ]) {
      await stop();
      const { status, progress } = await until((job) => job.status !== "running");
      assert.equal(status, "canceled");
      assert.ok((progress.step ?? 0) < (progress.steps ?? 0), JSON.stringify(progress));
    }
  });

  it("throws its own errors", async () => {
    const image = await toFile(await plain(64, 64, "white"), "image.png", { type: "image/png" });
    const opaque = await toFile(
      await sharp(await plain(64, 64, "white"))
        .ensureAlpha()
        .png()
        .toBuffer(),
      "mask.png",
    );
    const small = await toFile(await maskOf(32), "mask.png");
    const text = await toFile(Buffer.from("no picture"), "image.png");
    const wrong = (body: object) => client.images.generate({ prompt: "x", ...body } as { prompt: string });
    for (const [request, param, pattern] of [
      [() => wrong({ prompt: undefined }), "prompt", /Missing/],
      [() => wrong({ prompt: null }), "prompt", /prompt/],
      [() => wrong({ prompt: "x".repeat(17_000) }), "prompt", /prompt/],
      [() => wrong({ n: 11 }), "n", /10/],
      [() => wrong({ n: "two" }), "n", /number/],
      [() => wrong({ size: "wide" }), "size", /wide/],
      [() => wrong({ size: "99999x99999" }), "size", /at most 3072/],
      [() => wrong({ size: "3072x2048" }), "size", /allows at most 4194304/],
      [() => wrong({ quality: "best" }), "quality", /best/],
      [() => wrong({ output_format: "gif" }), "output_format", /gif/],
      [() => wrong({ output_compression: 50 }), "output_compression", /PNG/],
      [() => wrong({ background: "transparent" }), "background", /not supported/],
      [() => wrong({ partial_images: 4, stream: true }), "partial_images", /3/],
      [() => wrong({ cfg_scale: -1 }), "cfg_scale", /^400 cfg_scale: /],
      [() => wrong({ sampler: "eular" }), "sampler", /euler/],
      [() => wrong({ loras: [{ file: "x" }] }), "loras[0]", /name/],
      [() => client.images.edit({ prompt: "x" } as never), "image", /Missing/],
      [() => client.images.edit({ prompt: "x", image, size: "3072x3072" }), "size", /^400 Invalid 'size': this server allows/],
      [() => client.images.edit({ prompt: "x", image: text }), "image", /image/],
      [() => client.images.edit({ prompt: "x", image, mask: image }), "mask", /alpha/],
      [() => client.images.edit({ prompt: "x", image, mask: opaque }), "mask", /nothing/],
      [() => client.images.edit({ prompt: "x", image, mask: small }), "mask", /64x64/],
    ] as const) {
      await assert.rejects(request, (error) => {
        assert.ok(error instanceof BadRequestError, String(error));
        assert.equal(error.param, param);
        assert.equal(error.type, "invalid_request_error");
        assert.match(error.message, pattern);
        return true;
      });
    }
    await assert.rejects(clientWith({ apiKey: "wrong" }).images.generate(seeded), (error) => {
      assert.ok(error instanceof AuthenticationError);
      assert.deepEqual([error.code, error.type], ["invalid_api_key", "authentication_error"]);
      return true;
    });
    await assert.rejects(wrong({ model: "sd9" }), (error) => {
      assert.ok(error instanceof NotFoundError);
      assert.deepEqual([error.code, error.param], ["model_not_found", "model"]);
      return true;
    });
    await assert.rejects(client.models.retrieve("sd9"), NotFoundError);
    assert.deepEqual(
      (await client.models.list()).data.map(({ id, object }) => [id, object]),
      [["demo", "model"]],
    );
  });

  it("draws with a model whose name no header could have", async () => {
    const { diffusionModel, ...others } = await demoFiles();
    const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-openai-"));
    await Promise.all([diffusionModel, ...Object.values(others)].map((file) => copyFile(file, path.join(folder, path.basename(file)))));
    await rename(path.join(folder, path.basename(diffusionModel)), path.join(folder, "モデル.gguf"));
    const named = await startServer({ modelsDir: folder });
    const strange = new OpenAI({ apiKey: "none", baseURL: `${named.url}/v1`, maxRetries: 0 });
    const request = { ...seeded, ...quick, model: "モデル" };
    const { response } = await strange.images.generate(request).withResponse();
    assert.equal(decodeURI(response.headers.get("x-sdcpp-model") ?? ""), "モデル");
    await named.close();
    await rm(folder, { recursive: true });
  });

  it("does not draw again what failed on the server", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sdcpp-openai-"));
    await writeFile(path.join(folder, new Date().toISOString().slice(0, 10)), "where the folder of the day should be");
    const failing = await startServer({ outputDir: folder });
    const eager = new OpenAI({ apiKey: "none", baseURL: `${failing.url}/v1`, maxRetries: 2 });
    await assert.rejects(eager.images.generate({ ...seeded, ...quick }), (error) => {
      assert.ok(error instanceof InternalServerError);
      assert.equal(error.type, "server_error");
      assert.ok(!error.message.includes(folder));
      return true;
    });
    const streamed = await eager.images.generate({ ...seeded, ...quick, stream: true });
    await assert.rejects(async () => {
      for await (const _event of streamed);
    }, APIError);
    const { jobs } = (await (await fetch(`${failing.url}/v1/jobs`)).json()) as { jobs: JobView[] };
    assert.deepEqual(
      jobs.map(({ status }) => status),
      ["failed", "failed"],
    );
    await failing.close();
    await rm(folder, { recursive: true });
  });

  it("is told to wait when the line is full", async () => {
    const controllers = [new AbortController(), new AbortController()];
    const running = controllers.map(({ signal }) => client.images.generate(long, { signal }).catch(() => {}));
    for (;;) {
      const { jobs } = (await (await fetch(`${server.url}/v1/jobs`, { headers: authorized })).json()) as { jobs: JobView[] };
      if (jobs.some(({ status }) => status === "queued")) break;
    }
    await assert.rejects(client.images.generate(seeded), (error) => {
      assert.ok(error instanceof RateLimitError);
      assert.ok(Number(error.headers?.get("retry-after")) > 0);
      assert.equal(error.code, "rate_limit_exceeded");
      return true;
    });
    for (const controller of controllers) controller.abort();
    await Promise.all(running);
  });
});
