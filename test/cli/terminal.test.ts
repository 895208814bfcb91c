import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { readParameters } from "../../lib/index.js";
import { cli } from "../helpers/cli.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-terminal-"));
});
after(() => rm(folder, { recursive: true, force: true }));

const small = ["--threads", "1", "--steps", "2", "-W", "64", "-H", "64"];
const sh = (script: string) =>
  execFileSync("sh", ["-c", script], { cwd: folder, encoding: "utf8", env: { ...process.env, NODE: process.execPath, CLI: cli } });

/** Runs the command in a terminal of so many columns, and gives what the terminal got. */
async function inTerminal(columns: number, args: string[], env: NodeJS.ProcessEnv = {}, until?: RegExp): Promise<string> {
  const quoted = [process.execPath, cli, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qefc", `stty cols ${columns}; exec ${quoted}`, "/dev/null"], {
    cwd: folder,
    env: { ...process.env, TERM: "xterm", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (data) => {
    text += data;
    if (until?.test(text)) child.kill("SIGTERM");
  });
  await new Promise((resolve) => child.on("close", resolve));
  return text;
}

test("a prompt of several words needs no quotes, and - reads one from stdin", async () => {
  const words = sh(`"$NODE" "$CLI" generate a red circle on a blue background -q ${small.join(" ")} -s 3`).trim();
  assert.equal((await readParameters(path.join(folder, words)))?.prompt, "a red circle on a blue background");
  const piped = sh(`echo "a green square" | "$NODE" "$CLI" generate - -q ${small.join(" ")} -o piped.png`).trim();
  assert.equal((await readParameters(path.join(folder, piped)))?.prompt, "a green square");
});

test("-o - writes the picture to stdout, and nothing else", async () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, "generate", "a red circle", ...small, "-o", "-", "-s", "5"], {
    cwd: folder,
  });
  assert.equal(status, 0, String(stderr));
  const { width, height, format } = await sharp(stdout).metadata();
  assert.deepEqual([width, height, format], [64, 64, "png"]);
  assert.equal((await readParameters(stdout))?.seed, 5n);
});

test("a reader that leaves ends the run quietly, and keeps what was drawn", async () => {
  const own = path.join(folder, "left");
  const printed = sh(
    `mkdir left; cd left; { "$NODE" "$CLI" generate "a red circle" --json -b 500 ${small.join(" ")}; echo "exit $?" >&2; } 2>errors | head -n 2; cat errors`,
  );
  const lines = printed.trim().split("\n");
  assert.equal(lines.length, 4, printed);
  assert.match(lines[2] ?? "", /^No --model/);
  assert.equal(lines[3], "exit 0");
  assert.ok((await readdir(own)).length < 100, "it did not draw all 500");
  assert.ok(!(await readdir(own)).some((name) => name.endsWith(".tmp")));
});

test("a full disk behind stdout is one line, and a flag given twice counts as its last", { skip: process.platform !== "linux" }, () => {
  const full = spawnSync(
    "sh",
    ["-c", `"$0" "$1" generate a red circle --json -q ${small.join(" ")} -o full.png > /dev/full`, process.execPath, cli],
    {
      cwd: folder,
      encoding: "utf8",
    },
  );
  assert.equal(full.status, 1);
  assert.match(full.stderr, /^stdout cannot be written: ENOSPC[^\n]*\n$/m);
  assert.ok(!full.stderr.includes("    at "));
  const twice = sh(`"$NODE" "$CLI" generate a red circle -q ${small.join(" ")} -o one.png -o two.png --steps 1`).trim();
  assert.equal(twice, "two.png");
});

test("bars fit a terminal of 36 columns", { skip: process.platform !== "linux" }, async () => {
  const text = await inTerminal(36, ["generate", "a red circle", ...small, "-o", "bars.png"]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the codes that move the cursor
  const bars = text.split(/[\r\n]|\u{1b}\[[0-9;?]*[A-Za-z]/u).filter((line) => line.includes("█") || line.includes("░"));
  assert.ok(bars.length > 0, text);
  for (const bar of bars) assert.ok([...bar].length <= 36, bar);
  assert.ok(
    bars.some((bar) => /sample [█░]+ \d+\/2/.test(bar)),
    bars.join("\n"),
  );
});

test("a pull in a terminal says after the first try what it waits for", { skip: process.platform !== "linux" }, async () => {
  const server = createServer((_, response) => response.writeHead(503).end()).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const home = await mkdtemp(path.join(tmpdir(), "sdcpp-home-"));
  try {
    const env = { SDCPP_HOME: home, HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
    const text = await inTerminal(80, ["pull", "sd3.5-medium", "--accept-license"], env, /next try in/);
    assert.match(text, /the server answered HTTP 503; next try in [\d.]+ s \(failure 1 of at most 6\)/);
  } finally {
    server.close();
    await rm(home, { recursive: true, force: true });
  }
});
