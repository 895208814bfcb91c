import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import OpenAI from "openai";
import sharp from "sharp";
import type { RunningServer } from "../../lib/server/index.js";
import { pythonWith, runPython } from "../helpers/python.js";
import { assertCircle, circle, post, startServer } from "../helpers/server.js";

let server: RunningServer;
let base: string;
before(async () => {
  server = await startServer({ apiKeys: ["sesame"] });
  base = `${server.url}/v1`;
});
after(() => server.close());

const authorization = "Bearer sesame";
const bytesOf = (base64: unknown) => Buffer.from(String(base64), "base64");

interface JobView {
  status: string;
  progress: { phase?: string; step?: number; steps?: number };
}

async function jobs(): Promise<JobView[]> {
  const answer = await fetch(`${base}/jobs`, { headers: { authorization } });
  return ((await answer.json()) as { jobs: JobView[] }).jobs;
}

async function latest(check: (job: JobView) => boolean): Promise<JobView> {
  for (;;) {
    const [job] = await jobs();
    if (job && check(job)) return job;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Clients that cannot send a seed get some tries: now and then the demo draws a circle that is out of the middle. */
async function circleInTries(draw: () => Promise<Uint8Array>): Promise<void> {
  for (let left = 3; ; left--) {
    const bytes = await draw();
    try {
      return await assertCircle(bytes);
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

const plain = (side: number, background: string) =>
  sharp({ create: { width: side, height: side, channels: 4, background } })
    .png()
    .toBuffer();

const green = (side: number) => plain(side, "#00ff00");

/** Opaque but for its middle. */
async function maskFile(side: number): Promise<Buffer> {
  const hole = { input: await plain(side / 2, "#000"), blend: "dest-out" } as const;
  return sharp(await plain(side, "#000"))
    .composite([hole])
    .png()
    .toBuffer();
}

async function assertEdited(bytes: Uint8Array): Promise<void> {
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([...data.subarray(0, 3)], [0, 255, 0]);
  const middle = (Math.floor(info.height / 2) * info.width + Math.floor(info.width / 2)) * 3;
  assert.ok((data[middle + 1] ?? 255) < 128, "the middle is no longer green");
}

/** A CommonJS `require` of packages that npm has put into a folder under .cache/. */
function npmWith(...packages: string[]): NodeJS.Require {
  const folder = path.join(__dirname, "..", "..", ".cache", "clients", packages.join("+").replace(/[^\w.+-]/g, "_"));
  const manifest = path.join(folder, "package.json");
  const complete = path.join(folder, "complete");
  if (!existsSync(complete)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(manifest, "{}");
    const install = ["install", "--no-audit", "--no-fund", "--silent", ...packages];
    execFileSync("npm", install, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
    writeFileSync(complete, "");
  }
  return createRequire(manifest);
}

describe("npm ai with @ai-sdk/openai-compatible", () => {
  it("draws, edits, stops and sees errors", async () => {
    const load = npmWith("ai@7.0.173", "@ai-sdk/openai-compatible@3.0.92");
    const { generateImage } = load("ai") as { generateImage: (options: object) => Promise<{ image: { uint8Array: Uint8Array } }> };
    const { createOpenAICompatible } = load("@ai-sdk/openai-compatible");
    const model = (apiKey: string) => createOpenAICompatible({ name: "sdcpp", baseURL: base, apiKey }).imageModel("demo");
    const given = { model: model("sesame"), maxRetries: 0 };
    const with3 = { providerOptions: { sdcpp: { seed: 3 } } };

    const { image } = await generateImage({ ...given, ...with3, prompt: circle.prompt, size: "128x128" });
    await assertCircle(image.uint8Array);

    const prompt = { text: circle.prompt, images: [await green(128)], mask: await maskFile(128) };
    await assertEdited((await generateImage({ ...given, ...with3, prompt })).image.uint8Array);

    const controller = new AbortController();
    const long = { prompt: "x", abortSignal: controller.signal, providerOptions: { sdcpp: { steps: 150 } } };
    const aborted = assert.rejects(generateImage({ ...given, ...long }), { name: "AbortError" });
    await latest(({ status, progress }) => status === "running" && progress.phase === "sample" && (progress.step ?? 0) > 0);
    controller.abort();
    await aborted;
    const { status, progress } = await latest((job) => job.status !== "running");
    assert.equal(status, "canceled");
    assert.ok((progress.step ?? 0) < 150);

    const wrong = generateImage({ ...given, model: model("wrong"), prompt: "x" });
    await assert.rejects(wrong, { name: "AI_APICallError", statusCode: 401, message: /not one of the server's/ });
  });
});

const common = `
import base64, json, sys
base = sys.argv[1]
def show(**found): print(json.dumps(found), flush=True)
`;

async function linesOf(output: Promise<string>): Promise<Record<string, unknown>[]> {
  const lines = (await output).split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line));
}

describe("PyPI openai", () => {
  it("draws, edits, streams, stops and throws its own errors", async () => {
    const script = `${common}
import openai
client = openai.OpenAI(api_key="sesame", base_url=base, max_retries=0)
images = client.images
prompt = sys.argv[2]
extra = {"seed": 3}
answer = images.generate(prompt=prompt, extra_body=extra)
show(b64=answer.data[0].b64_json, size=answer.size, total=answer.usage.total_tokens)
image, mask = (base64.b64decode(text) for text in sys.argv[3:5])
edited = images.edit(prompt=prompt, image=("image.png", image), mask=("mask.png", mask), extra_body=extra)
show(b64=edited.data[0].b64_json)
show(types=[event.type for event in images.generate(prompt=prompt, stream=True, partial_images=1, extra_body=extra)])
with images.generate(prompt=prompt, stream=True, partial_images=3, extra_body={"steps": 24}) as stream:
    for event in stream:
        break
for name, call in {
    "BadRequestError": lambda: images.generate(prompt="x", size="wide"),
    "NotFoundError": lambda: images.generate(prompt="x", model="sd9"),
    "AuthenticationError": lambda: client.with_options(api_key="wrong").images.generate(prompt="x"),
    "APITimeoutError": lambda: client.with_options(timeout=2).images.generate(prompt="x", extra_body={"steps": 150}),
}.items():
    try:
        call()
        show(wanted=name, error=None)
    except openai.OpenAIError as error:
        show(wanted=name, error=type(error).__name__, param=getattr(error, "param", None))
`;
    const images = [(await green(128)).toString("base64"), (await maskFile(128)).toString("base64")];
    const before = (await jobs()).length;
    const output = runPython(pythonWith("openai==3.57.0"), script, base, circle.prompt, ...images);
    const [drawn, edited, streamed, ...errors] = await linesOf(output);
    await assertCircle(bytesOf(drawn?.b64));
    assert.deepEqual([drawn?.size, drawn?.total], ["128x128", 71]);
    await assertEdited(bytesOf(edited?.b64));
    assert.deepEqual(streamed?.types, ["image_generation.partial_image", "image_generation.completed"]);
    const seen = errors.map(({ error, param }) => [error, param]);
    assert.deepEqual(seen, [
      ["BadRequestError", "size"],
      ["NotFoundError", "model"],
      ["AuthenticationError", null],
      ["APITimeoutError", null],
    ]);
    await latest(({ status }) => status !== "running" && status !== "queued");
    const own = (await jobs()).slice(0, -before || undefined).map(({ status }) => status);
    assert.deepEqual(own, ["canceled", "canceled", "done", "done", "done"], "the newest is that of the time-out, then the stream");
  });
});

describe("PyPI litellm", () => {
  it("draws by its OpenAI provider, and throws its own errors", async () => {
    const script = `${common}
import litellm
given = dict(api_base=base, api_key="sesame")
answer = litellm.image_generation(model="openai/demo", prompt=sys.argv[2], size="128x128", extra_body={"seed": 3}, **given)
show(b64=answer.data[0].b64_json)
for more in [dict(model="openai/demo", size="wide"), dict(model="openai/sd9"), dict(model="openai/demo", api_key="wrong")]:
    try:
        litellm.image_generation(prompt="x", max_retries=0, **{**given, **more})
        show(error=None)
    except Exception as error:
        show(error=type(error).__name__)
`;
    const [drawn, ...errors] = await linesOf(runPython(pythonWith("litellm==1.110.2"), script, base, circle.prompt));
    await assertCircle(bytesOf(drawn?.b64));
    assert.deepEqual(
      errors.map(({ error }) => error),
      ["BadRequestError", "NotFoundError", "AuthenticationError"],
    );
  });
});

describe("requests as chat programs send them", () => {
  async function edit(fields: Record<string, string>, names: string[]): Promise<sharp.Metadata> {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    const file = new Blob([new Uint8Array(await green(64))], { type: "image/png" });
    for (const name of names) form.append(name, file, "a.png");
    const answer = await fetch(`${base}/images/edits`, { method: "POST", headers: { authorization }, body: form });
    const { data } = (await answer.json()) as { data: { b64_json: string }[] };
    return sharp(bytesOf(data[0]?.b64_json)).metadata();
  }

  it("Open WebUI, images: engine OpenAI", async () => {
    const more = { seed: 3, steps: 8 }; // the additional parameters of its settings
    const request = { model: "dall-e-3", prompt: circle.prompt, n: 1, size: "128x128", response_format: "b64_json", ...more };
    const answer = await post(`${base}/images/generations`, request, { authorization });
    const { data } = (await answer.json()) as { data: { b64_json?: string; url?: string }[] };
    assert.equal(data[0]?.url, undefined, "it would be fetched instead, and refused as an address of this machine");
    await assertCircle(bytesOf(data[0]?.b64_json));
  });

  it("Open WebUI, edits: a file named image, or image[] for several", async () => {
    const fields = { model: "gpt-image-1", prompt: circle.prompt, n: "1", size: "128x128", background: "auto" };
    for (const names of [["image"], ["image[]", "image[]"]]) assert.equal((await edit(fields, names)).width, 128);
  });

  it("LibreChat's DALL-E tool: no response_format, reads a URL and its ending", async () => {
    const client = new OpenAI({ apiKey: "sesame", baseURL: base });
    await circleInTries(async () => {
      const request = { model: "dall-e-3", quality: "standard", style: "vivid", prompt: circle.prompt, n: 1 } as const;
      const url = (await client.images.generate(request)).data?.[0]?.url ?? "";
      assert.equal(path.extname(new URL(url).pathname), ".png");
      return new Uint8Array(await (await fetch(url)).arrayBuffer());
    });
  });

  it("LibreChat's OpenAI image tools: generate by the SDK, edit by a form", async () => {
    const client = new OpenAI({ apiKey: "sesame", baseURL: base });
    await circleInTries(async () => {
      const looks = { background: "auto", output_format: "png", quality: "auto", size: "auto" } as const;
      const { data } = await client.images.generate({ model: "gpt-image-1", prompt: circle.prompt, n: 1, ...looks });
      return bytesOf(data?.[0]?.b64_json);
    });
    assert.equal((await edit({ model: "gpt-image-1", prompt: circle.prompt, quality: "auto", size: "auto" }, ["image[]"])).width, 64);
  });
});
