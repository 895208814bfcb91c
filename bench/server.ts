// What a server does under load: `npm run bench:server`. The clients are in this process, the server in another; figures are in docs/server.md.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const cli = path.join(__dirname, "..", "dist", "cli", "cli.js");
const small = { prompt: "a red circle on a blue background", steps: 1, width: 64, height: 64 };

async function start(...flags: string[]): Promise<{ url: string; pid: number; stop: () => Promise<unknown> }> {
  const child = spawn(process.execPath, [cli, "serve", "--port", "0", "--quiet", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const stop = () => {
    child.kill("SIGTERM");
    return once(child, "exit");
  };
  return { url: line.toString().trim(), pid: child.pid as number, stop };
}

async function draw(url: string, body: object): Promise<{ status: number; code?: string; retryAfter: string | null }> {
  const answer = await fetch(`${url}/v1/jobs`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "image/png" },
    body: JSON.stringify(body),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const code = answer.status === 200 ? undefined : (JSON.parse(bytes.toString()) as { error: { code: string } }).error.code;
  return { status: answer.status, code, retryAfter: answer.headers.get("retry-after") };
}

/** The event loop's delay is that since the last reading. */
async function read(url: string): Promise<{ bytes: number; delay: number }> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const metric = (name: string) => Number(new RegExp(`^sdcpp_${name} (.*)$`, "m").exec(text)?.[1]);
  return { bytes: metric("process_resident_bytes"), delay: metric("event_loop_delay_p99_seconds") };
}

function count<T>(values: readonly T[]): string {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, times]) => `${times} × ${value}`).join(", ");
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
const milliseconds = (seconds: number) => `${(seconds * 1000).toFixed(1)} ms`;

async function together(): Promise<void> {
  const server = await start();
  await draw(server.url, small); // loads
  await read(server.url);
  const answers = await Promise.all(Array.from({ length: 200 }, (_, seed) => draw(server.url, { ...small, seed })));
  const { delay } = await read(server.url);
  console.log(`200 clients at once: ${count(answers.map(({ status }) => status))}; event loop p99 ${milliseconds(delay)}`);
  console.log(`  each 429 with retry-after: ${answers.every(({ status, retryAfter }) => status !== 429 || retryAfter !== null)}`);
  await server.stop();
}

async function inRow(requests: number): Promise<void> {
  const server = await start("--keep-bytes", String(2 ** 20));
  const sizes: number[] = [];
  const delays: number[] = [];
  let sent = 0;
  const statuses: number[] = [];
  const client = async () => {
    while (sent < requests) {
      const seed = sent++;
      statuses.push((await draw(server.url, { ...small, seed })).status);
      if (seed % (requests / 10) === requests / 10 - 1) {
        const { bytes, delay } = await read(server.url);
        sizes.push(bytes);
        delays.push(delay);
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  console.log(`${requests} requests of 8 clients: ${count(statuses)}`);
  console.log(`  memory after each tenth: ${sizes.map(megabytes).join(", ")}`);
  console.log(`  event loop p99 in each tenth: ${delays.map(milliseconds).join(", ")}`);
  await server.stop();
}

/** Kills the engine in the midst of twenty pictures. */
async function killed(): Promise<void> {
  const server = await start();
  await draw(server.url, small);
  const answers = Array.from({ length: 20 }, (_, seed) => draw(server.url, { ...small, steps: 10, seed }));
  await sleep(1500);
  const { execFileSync } = await import("node:child_process");
  const [engine] = execFileSync("pgrep", ["-P", String(server.pid)])
    .toString()
    .trim()
    .split("\n");
  process.kill(Number(engine), "SIGKILL");
  const all = await Promise.all(answers);
  console.log(`SIGKILL of the engine among 20 pictures: ${count(all.map(({ status, code }) => `${status}${code ? ` ${code}` : ""}`))}`);
  await server.stop();
}

async function main(): Promise<void> {
  await together();
  await inRow(1000);
  await killed();
}

void main();
