import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { type CallToolResult, Client, type Progress, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import sharp from "sharp";
import type { RunningServer } from "../../lib/server/index.js";
import { assertCircle, circle, startServer } from "../helpers/server.js";

const root = path.join(__dirname, "..", "..");
const headers = { authorization: "Bearer key" };
let server: RunningServer;
let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "sdcpp-mcp-"));
  server = await startServer({ apiKeys: ["key", "other"], outputDir: folder });
});
after(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** The protocol since 2026, whose requests stand alone, and that of before, which has sessions. */
const eras = { modern: { mode: { pin: "2026-07-28" } }, legacy: { mode: "legacy" } } as const;
type Era = keyof typeof eras;

async function connect(era: Era, key = "key"): Promise<Client> {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: eras[era] });
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`), { requestInit }));
  return client;
}

const textOf = ({ content }: CallToolResult) => content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
const imagesOf = ({ content }: CallToolResult) =>
  content.flatMap((part) => (part.type === "image" ? [{ type: part.mimeType, bytes: Buffer.from(part.data, "base64") }] : []));

async function judgeDrawing(client: Client): Promise<CallToolResult> {
  const told: Progress[] = [];
  const result = await client.callTool({ name: "generate_image", arguments: circle }, { onprogress: (progress) => told.push(progress) });
  assert.ok(!result.isError, textOf(result));
  const [image] = imagesOf(result);
  assert.equal(image?.type, "image/png");
  await assertCircle(image?.bytes as Buffer);
  assert.match(textOf(result), /"image":"[0-9a-f-]{36}\/0","seed":"3","width":128,"height":128/);
  assert.ok(told.length >= 5, `${told.length} notifications`);
  for (const [index, { progress, total }] of told.entries()) {
    assert.ok(progress > (told[index - 1]?.progress ?? 0) && progress <= 1 && total === 1, JSON.stringify(told));
  }
  assert.ok(
    told.some(({ message }) => message === "sample 4/8"),
    JSON.stringify(told),
  );
  return result;
}

interface View {
  id: string;
  status: string;
  progress: { step: number };
}
async function jobs(): Promise<View[]> {
  return ((await (await fetch(`${server.url}/v1/jobs`, { headers })).json()) as { jobs: View[] }).jobs;
}

test("tools have schemas of the option tables", async () => {
  const client = await connect("legacy");
  const { tools } = await client.listTools();
  assert.deepEqual(
    tools.map(({ name }) => name),
    ["generate_image", "edit_image", "upscale_image", "list_models"],
  );
  const [generate, edit] = tools;
  const properties = generate?.inputSchema.properties as Record<"width" | "sampler", Record<string, unknown>>;
  assert.deepEqual(generate?.inputSchema.required, ["prompt"]);
  assert.deepEqual(edit?.inputSchema.required, ["prompt", "initImage"]);
  assert.deepEqual([properties.width.minimum, properties.width.multipleOf], [16, 16]);
  assert.ok((properties.sampler.enum as string[]).includes("dpm++2m"));
  const list = JSON.parse(textOf(await client.callTool({ name: "list_models", arguments: {} })));
  assert.deepEqual([list.models[0].id, list.models[0].defaults.width, list.upscalers], ["demo", 128, ["lanczos", "nearest"]]);
  await client.close();
});

for (const era of Object.keys(eras) as Era[]) {
  test(`${era}: a picture is drawn with progress, changed and enlarged by its name`, async () => {
    const client = await connect(era);
    const drawn = textOf(await judgeDrawing(client));
    const { image, file } = JSON.parse(drawn.split("\n")[0] as string) as { image: string; file: string };
    const [day = "", name = ""] = file.split("/");
    assert.ok((await readdir(path.join(folder, day))).includes(name));

    const edit = { prompt: "a green star", seed: "9007199254740993", initImage: image, strength: 0.3, steps: 2, format: "webp" };
    const changed = await client.callTool({ name: "edit_image", arguments: edit });
    assert.match(textOf(changed), /"seed":"9007199254740993"/);
    const [edited] = imagesOf(changed);
    assert.equal(edited?.type, "image/webp");
    assert.equal((await sharp(edited?.bytes).metadata()).format, "webp");

    const large = await client.callTool({ name: "upscale_image", arguments: { image, scale: 2 } });
    const [enlarged] = imagesOf(large);
    assert.equal((await sharp(enlarged?.bytes).metadata()).width, 256);
    await assertCircle(enlarged?.bytes as Buffer);
    await client.close();
  });

  test(`${era}: a cancel stops the job`, async () => {
    const client = await connect(era);
    const cancel = new AbortController();
    const seen = await jobs();
    const call = client.callTool(
      { name: "generate_image", arguments: { ...circle, steps: 100 } },
      {
        signal: cancel.signal,
        onprogress: ({ message = "" }) => {
          if (/^sample \d/.test(message)) cancel.abort();
        },
      },
    );
    await assert.rejects(call);
    const own = async () => (await jobs()).find(({ id }) => !seen.some((other) => other.id === id));
    let job = await own();
    while (job?.status === "running") job = await own();
    assert.equal(job?.status, "canceled");
    assert.ok((job?.progress.step ?? 100) < 50, `${job?.progress.step} steps`);
    await client.close();
  });

  test(`${era}: errors are results that name the option`, async () => {
    const client = await connect(era);
    for (const [name, given, word] of [
      ["generate_image", { prompt: "x", steps: 0 }, /^ERR_INVALID_OPTION: steps: expected an integer from 1 to 1000/],
      ["generate_image", { prompt: "x", stepz: 4 }, /^ERR_INVALID_OPTION: .*did you mean steps/],
      ["generate_image", { prompt: "x", model: "other" }, /^model_not_found: .*known are demo/],
      ["generate_image", { prompt: "x", width: 3072, height: 3072 }, /^over_limit: /],
      ["edit_image", { prompt: "x", initImage: "/etc/passwd" }, /^(invalid_image|ERR_INVALID_OPTION): .*initImage/],
      ["edit_image", { prompt: "x", initImage: "01234567-89ab-cdef-0123-456789abcdef/0" }, /^not_found: /],
      ["upscale_image", { image: "aGVsbG8=", upscaler: "lanczos" }, /^ERR_INVALID_OPTION: image/],
      ["list_models", { surprise: 1 }, /^ERR_INVALID_OPTION: /],
    ] as const) {
      const result = await client.callTool({ name, arguments: given });
      assert.equal(result.isError, true);
      assert.match(textOf(result), word);
    }
    await client.close();
  });
}

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } },
};

function send(body: object, more: Record<string, string>, signal?: AbortSignal): Promise<Response> {
  const all = { "content-type": "application/json", accept: "application/json, text/event-stream", ...more };
  return fetch(`${server.url}/mcp`, { method: "POST", headers: all, body: JSON.stringify(body), signal });
}

test("a connection that breaks stops its job: nobody could get the result", async () => {
  const begun = await send(initialize, headers);
  const session = { ...headers, "mcp-session-id": begun.headers.get("mcp-session-id") ?? "" };
  await begun.text();
  for (const more of [session, headers]) {
    const breaking = new AbortController();
    const params = { name: "generate_image", arguments: { ...circle, steps: 100 } };
    const answer = await send({ jsonrpc: "2.0", id: 2, method: "tools/call", params }, more, breaking.signal);
    assert.equal(answer.status, 200);
    let [job] = await jobs();
    while (job?.status !== "running" || (job.progress.step ?? 0) < 1) [job] = await jobs();
    breaking.abort();
    while (job?.status === "running") [job] = await jobs();
    assert.equal(job?.status, "canceled");
  }
});

test("results of more than a megabyte are shown as JPEG, unless PNG is asked for", async () => {
  const client = await connect("modern");
  const noise = randomBytes(700 * 700 * 3);
  const png = await sharp(noise, { raw: { width: 700, height: 700, channels: 3 } })
    .png()
    .toBuffer();
  const given = { image: png.toString("base64"), upscaler: "lanczos", scale: 1 };
  const small = await client.callTool({ name: "upscale_image", arguments: given });
  assert.equal(imagesOf(small)[0]?.type, "image/jpeg");
  assert.match(textOf(small), /Note: shown as JPEG/);
  const whole = await client.callTool({ name: "upscale_image", arguments: { ...given, format: "png" } });
  const pixels = await sharp(imagesOf(whole)[0]?.bytes).raw().toBuffer();
  assert.ok(pixels.equals(noise));
  await client.close();
});

test("keys are asked for, and sessions and pictures are their owner's alone", async () => {
  await assert.rejects(connect("legacy", "wrong"), /401|key/i);
  const begun = await send(initialize, headers);
  const session = { "mcp-session-id": begun.headers.get("mcp-session-id") ?? "" };
  assert.match(session["mcp-session-id"], /^[0-9a-f-]{36}$/);
  assert.ok(begun.headers.get("x-request-id"));
  await begun.text();
  const list = { jsonrpc: "2.0", id: 2, method: "tools/list" };
  assert.equal((await send(list, { ...headers, ...session })).status, 200);
  const stolen = await send(list, { authorization: "Bearer other", ...session });
  assert.equal(stolen.status, 404);
  const { error, jsonrpc } = (await stolen.json()) as { error: { code: number; data: { code: string } }; jsonrpc: string };
  assert.deepEqual([jsonrpc, error.code, error.data.code], ["2.0", -32_000, "not_found"]);

  const [{ id = "" } = {}] = await jobs();
  const other = await connect("legacy", "other");
  const result = await other.callTool({ name: "upscale_image", arguments: { image: `${id}/0`, upscaler: "lanczos" } });
  assert.match(textOf(result), /^not_found: /);
  await other.close();
});

test("sdcpp mcp speaks it over stdin and stdout alone, and ends with its client", async () => {
  for (const era of Object.keys(eras) as Era[]) {
    const client = new Client({ name: "test", version: "1" }, { versionNegotiation: eras[era] });
    const command = ["dist/cli/cli.js", "mcp", "--no-isolate", "--threads", "1"];
    const transport = new StdioClientTransport({ command: process.execPath, args: command, cwd: root, stderr: "ignore" });
    const garbage: Error[] = [];
    client.onerror = (error) => garbage.push(error);
    await client.connect(transport);
    await judgeDrawing(client);
    const cancel = new AbortController();
    const stopped = client.callTool(
      { name: "generate_image", arguments: { ...circle, steps: 100 } },
      { signal: cancel.signal, onprogress: ({ message = "" }) => /^sample \d/.test(message) && cancel.abort() },
    );
    await assert.rejects(stopped);
    // The line is free again at once, and not after a hundred steps.
    const after = await client.callTool({ name: "generate_image", arguments: { prompt: "x", width: 32, height: 32, steps: 1 } });
    assert.ok(!after.isError, textOf(after));
    const wrong = await client.callTool({ name: "generate_image", arguments: { prompt: "x", steps: -1 } });
    assert.match(textOf(wrong), /^ERR_INVALID_OPTION: steps/);
    const { pid } = transport;
    await client.close();
    assert.throws(() => process.kill(pid as number, 0), { code: "ESRCH" });
    assert.deepEqual(garbage, []);
  }
});

test("the protocol's package is loaded by who uses it alone", () => {
  const script = `
    const { createHandler } = require("./dist/server/index.js");
    const loaded = () => Object.keys(require.cache).some((file) => file.includes("modelcontextprotocol"));
    const handler = createHandler();
    const before = loaded();
    handler.fetch(new Request("http://localhost/mcp", { method: "DELETE" })).then(() => console.log(before, loaded()));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["-e", script], { cwd: root, encoding: "utf8" });
  assert.equal(stdout.trim(), "false true", stderr);
});
