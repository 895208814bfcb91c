import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { contentPolicy, pageFiles } from "../../lib/server/page/page.js";
import { cli } from "../helpers/cli.js";
import { startServer } from "../helpers/server.js";

const folder = path.join(__dirname, "..", "..", "lib", "server", "page", "static");

test("the page is small, and nothing of its folder is forgotten", () => {
  const beside = ["package.json"]; // says that they are modules, to those who check them
  assert.deepEqual(readdirSync(folder).sort(), [...pageFiles, ...beside].sort());
  const bytes = pageFiles.reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);
  assert.ok(bytes <= 80 * 1024, `${bytes} bytes`);
});

test("the page is served under its policy, to anybody, and tells of nothing", async () => {
  await using server = await startServer({ apiKeys: ["secret"] });
  const types: Record<string, string> = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };
  for (const name of pageFiles) {
    const answer = await fetch(`${server.url}/${name === "index.html" ? "" : `page/${name}`}`);
    assert.equal(answer.status, 200, name);
    assert.equal(answer.headers.get("content-security-policy"), contentPolicy);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    assert.ok(answer.headers.get("content-type")?.startsWith(types[path.extname(name)] ?? "?"), name);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), readFileSync(path.join(folder, name)));
    const again = await fetch(answer.url, { headers: { "if-none-match": answer.headers.get("etag") ?? "" } });
    assert.equal(again.status, 304, name);
  }
  assert.equal(
    contentPolicy,
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
  );
  for (const other of ["page/page.ts", "page/../page.js", "page/%2e%2e/page.js", "page/", "v1/gallery", "v1/catalog"])
    assert.equal((await fetch(`${server.url}/${other}`)).status, 401, other);
});

test("nothing in the page is inline or from elsewhere", () => {
  const html = readFileSync(path.join(folder, "index.html"), "utf8");
  assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)/i);
  for (const name of pageFiles) {
    const text = readFileSync(path.join(folder, name), "utf8").replaceAll("http://www.w3.org/2000/svg", "");
    assert.doesNotMatch(text, /https?:\/\/|innerHTML|outerHTML|insertAdjacentHTML|\beval\(|new Function/, name);
  }
});

test("without the page there is nothing at /, and it works below a prefix", async () => {
  await using none = await startServer({ page: false });
  for (const file of ["", "page/page.js"]) assert.equal((await fetch(`${none.url}/${file}`)).status, 404);
  await using below = await startServer({ basePath: "/sd" });
  assert.equal((await fetch(`${below.url}/sd/`)).status, 200);
  assert.equal((await fetch(`${below.url}/sd/page/page.js`)).status, 200);
  assert.equal((await fetch(`${below.url}/`)).status, 404);
  const bare = await fetch(`${below.url}/sd`);
  assert.equal(new URL(bare.url).pathname, "/sd/", "its addresses are relative");
});

test("sdcpp serve --open shows the page in the browser, and --no-page has none", {
  skip: process.platform !== "linux" && "xdg-open",
}, async () => {
  const bin = mkdtempSync(path.join(os.tmpdir(), "sdcpp-open-"));
  const seen = path.join(bin, "seen");
  writeFileSync(path.join(bin, "xdg-open"), `#!/bin/sh\nprintf %s "$1" > "${seen}.part" && mv "${seen}.part" "${seen}"\n`, { mode: 0o755 });
  const child = spawn(process.execPath, [cli, "serve", "--port", "0", "--open", "--no-page", "--quiet"], {
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = await new Promise<string>((resolve) => child.stdout.once("data", (data) => resolve(String(data).trim())));
    for (;;) {
      if (readdirSync(bin).includes("seen")) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(readFileSync(seen, "utf8"), `${url}/`);
    assert.equal((await fetch(`${url}/`)).status, 404);
  } finally {
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("close", resolve));
  }
});
