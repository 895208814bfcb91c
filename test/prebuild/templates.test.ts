import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import sharp from "sharp";
import { packageRoot } from "../../lib/engine/binding.js";
import { electronRuntime, packageApp } from "../electron/installed.js";
import { PictureApp } from "../electron/picture-app.js";
import { display } from "../helpers/display.js";
import { pack } from "../helpers/packed.js";
import { center, edge, nearestColor, type Pixels } from "../helpers/pixels.js";
import { serve } from "../helpers/servers.js";
import { messagesOf } from "../helpers/sse.js";

/** What `init` of the packed package writes, installed with it, built and run as its README says. */

const execute = promisify(execFile);
const prompt = "a red circle on a blue background"; // of each template

let work: string;
let tarball: string;
let cli: string;
let env: NodeJS.ProcessEnv;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-templates-"));
  tarball = await pack(packageRoot, work);
  env = { ...process.env, SDCPP_HOME: path.join(work, "home"), SDCPP_THREADS: "1", NEXT_TELEMETRY_DISABLED: "1", NODE_OPTIONS: undefined };
  const project = path.join(work, "project");
  await mkdir(project);
  await writeFile(path.join(project, "package.json"), '{ "name": "project", "private": true }');
  await npm(project, "install", "--prefer-offline", tarball);
  cli = path.join(project, "node_modules", "node-sd-cpp", "dist", "cli", "cli.js");
});
after(() => rm(work, { recursive: true, force: true }));

const npm = (app: string, ...args: string[]) => execute("npm", args, { cwd: app, env, maxBuffer: 1 << 26 });

/** An app as a user has it; the package is the tarball's, in the place of the registry's. */
async function made(template: string, ...options: string[]): Promise<string> {
  const app = path.join(work, template);
  await execute(process.execPath, [cli, "init", app, "--template", template], { env });
  const { version } = JSON.parse(await readFile(path.join(packageRoot, "package.json"), "utf8"));
  const manifest = JSON.parse(await readFile(path.join(app, "package.json"), "utf8"));
  assert.equal(manifest.dependencies["node-sd-cpp"], `^${version}`);
  await npm(app, "install", "--prefer-offline", "--no-audit", "--no-fund", ...options, tarball);
  return app;
}

async function pixelsOf(file: string | Uint8Array): Promise<Pixels> {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  return { ...info, data };
}

function isTheCircle(picture: Pixels): void {
  assert.deepEqual([nearestColor(picture, center), nearestColor(picture, edge)], ["red", "blue"]);
}

describe("the templates, built and run", () => {
  test("node draws a PNG", async () => {
    const app = await made("node");
    const { stdout } = await npm(app, "--silent", "start");
    assert.equal(stdout, "picture.png\n");
    isTheCircle(await pixelsOf(path.join(app, "picture.png")));
    await npm(app, "start", "--", "a", "green", "square", "on", "a", "white", "background");
    assert.equal(nearestColor(await pixelsOf(path.join(app, "picture.png")), center), "green");
  });

  test("express streams a picture, and stops it when the page is closed", async () => {
    const app = await made("express");
    await npm(app, "run", "build");
    await using server = await serve(app, ["dist/server.js"], { ...env, PORT: "0" });
    assert.match(await (await fetch(server.url)).text(), /<form>/);
    const kinds = new Set<string>();
    let url = "";
    for await (const { event, data } of messagesOf(await fetch(`${server.url}/draw?${new URLSearchParams({ prompt, seed: "7" })}`))) {
      kinds.add(event);
      if (event === "image") url = data.url as string;
    }
    assert.deepEqual([...kinds].sort(), ["done", "image", "preview", "progress"]);
    isTheCircle(await pixelsOf(Buffer.from(url.slice(url.indexOf(",") + 1), "base64")));

    const leaving = new AbortController();
    await fetch(`${server.url}/draw?prompt=nobody&steps=1000`, { signal: leaving.signal });
    leaving.abort();
    await server.says(/^not drawn: nobody: the client has left$/m);
    const refused = await fetch(`${server.url}/draw?${new URLSearchParams({ prompt, steps: "none" })}`);
    assert.deepEqual([refused.status, ((await refused.json()) as { code: string }).code], [400, "ERR_INVALID_OPTION"]);
  });

  test("next builds, and its route draws", async () => {
    const app = await made("next");
    const { stdout, stderr } = await npm(app, "run", "build");
    assert.doesNotMatch(`${stdout}${stderr}`, /warn|can't resolve|electron/i);
    await using server = await serve(
      app,
      [path.join("node_modules", "next", "dist", "bin", "next"), "start", "--hostname", "127.0.0.1"],
      env,
    );
    assert.match(await (await fetch(server.url)).text(), /<form>/);
    const answer = await fetch(`${server.url}/draw?${new URLSearchParams({ prompt })}`);
    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "image/png"]);
    isTheCircle(await pixelsOf(new Uint8Array(await answer.arrayBuffer())));
    const refused = await fetch(`${server.url}/draw?${new URLSearchParams({ prompt: "a ".repeat(2000) })}`); // more than is read
    assert.deepEqual([refused.status, ((await refused.json()) as { code: string }).code], [400, "ERR_INVALID_OPTION"]);
  });

  test("electron draws in its window", async (context) => {
    await using screen = await display();
    if (!screen) return context.skip("needs a display, or Xvfb");
    const app = await made("electron", "--ignore-scripts"); // the download of an Electron binary, which npm's registry does not have
    await npm(app, "run", "build");
    await npm(app, "prune", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund");
    const program = await packageApp(app, await electronRuntime(), path.join(work, "packaged"));
    process.env.DISPLAY = screen.name;
    const window = await PictureApp.launch(program, path.join(work, "electron-home"));
    try {
      await window.page.click("[name=draw]");
      assert.equal(await window.says(/^(Done|\w*Error|node-sd-cpp|No )/), "Done.");
      isTheCircle(await window.picture());
      isTheCircle(await window.screenshot("template-electron"));
      const saved = path.join(work, "saved.png");
      await window.answerDialogs(saved);
      await window.page.click("[name=save]");
      assert.equal(await window.says(/^Saved/), `Saved as ${saved}.`);
      isTheCircle(await pixelsOf(saved));
    } finally {
      await window.electron.close();
    }
  });
});
