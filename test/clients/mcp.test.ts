import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import type { RunningServer } from "../../lib/server/index.js";
import { requireWith } from "../helpers/npm.js";
import { assertCircle, circle, startServer } from "../helpers/server.js";

/** The protocol's package of before, which most programs have. */
const packages = requireWith("@modelcontextprotocol/sdk@1.32.2");

interface Result {
  isError?: boolean;
  content: { type: string; text?: string; data?: string }[];
}
interface Client {
  connect(transport: object): Promise<void>;
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(call: object, schema?: undefined, options?: object): Promise<Result>;
  close(): Promise<void>;
}
type Made<T> = new (...given: unknown[]) => T;
const { Client } = packages("@modelcontextprotocol/sdk/client/index.js") as { Client: Made<Client> };
const { StreamableHTTPClientTransport } = packages("@modelcontextprotocol/sdk/client/streamableHttp.js") as {
  StreamableHTTPClientTransport: Made<object>;
};
const { StdioClientTransport } = packages("@modelcontextprotocol/sdk/client/stdio.js") as { StdioClientTransport: Made<object> };

let server: RunningServer;
before(async () => {
  server = await startServer();
});
after(() => server.close());

async function judge(transport: object): Promise<void> {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport);
  assert.equal((await client.listTools()).tools.length, 4);
  const messages: string[] = [];
  const call = { name: "generate_image", arguments: circle };
  const onprogress = ({ message = "" }) => messages.push(message);
  const { content } = await client.callTool(call, undefined, { onprogress, resetTimeoutOnProgress: true });
  await assertCircle(Buffer.from(content[0]?.data ?? "", "base64"));
  assert.ok(messages.includes("sample 4/8"), messages.join());

  const cancel = new AbortController();
  const endless = { name: "generate_image", arguments: { ...circle, steps: 100 } };
  const stop = ({ message = "" }) => /^sample \d/.test(message) && cancel.abort();
  await assert.rejects(client.callTool(endless, undefined, { signal: cancel.signal, onprogress: stop }));
  const small = { name: "generate_image", arguments: { prompt: "x", width: 32, height: 32, steps: 1 } };
  assert.ok(!(await client.callTool(small)).isError);
  const wrong = await client.callTool({ name: "generate_image", arguments: { prompt: "x", steps: 0 } });
  assert.ok(wrong.isError);
  assert.match(wrong.content[0]?.text ?? "", /^ERR_INVALID_OPTION: steps/);
  await client.close();
}

test("@modelcontextprotocol/sdk 1 over HTTP: list, draw with progress, cancel, error", async () => {
  await judge(new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`)));
  const { jobs } = (await (await fetch(`${server.url}/v1/jobs`)).json()) as { jobs: { status: string; progress: { step: number } }[] };
  const canceled = jobs.filter(({ status }) => status === "canceled");
  assert.equal(canceled.length, 1);
  assert.ok((canceled[0]?.progress.step ?? 100) < 50);
});

test("@modelcontextprotocol/sdk 1 over stdio, with the engine in a process of its own", async () => {
  const root = path.join(__dirname, "..", "..");
  const args = ["dist/cli/cli.js", "mcp", "--threads", "1", "--quiet"];
  await judge(new StdioClientTransport({ command: process.execPath, args, cwd: root, stderr: "inherit" }));
});
