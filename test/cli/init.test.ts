import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { appFiles, templates, writeApp } from "../../lib/cli/templates.js";
import { InvalidOptionError } from "../../lib/index.js";
import { cli, sdcpp } from "../helpers/cli.js";

/** The apps themselves are built and run by test/prebuild/templates.test.ts. */

const { version } = require("../../package.json") as { version: string };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-init-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("sdcpp init", () => {
  for (const { name } of templates()) {
    test(`writes an app from the template ${name}`, async () => {
      const { code, stdout, stderr } = await sdcpp(["init", "My App", "--template", name], { cwd: folder });
      assert.deepEqual([code, stdout], [0, "My App\n"], stderr);
      assert.equal(stderr, 'Next:\n  cd "My App"\n  npm install\n  npm start\nREADME.md there says more.\n');
      const at = path.join(folder, "My App");
      const manifest = JSON.parse(await readFile(path.join(at, "package.json"), "utf8"));
      assert.deepEqual([manifest.name, manifest.dependencies["node-sd-cpp"]], ["my-app", `^${version}`]);
      assert.ok(manifest.scripts.start);
      const names = await readdir(at);
      for (const file of [".gitignore", "README.md", "tsconfig.json"]) assert.ok(names.includes(file), names.join(" "));
      assert.deepEqual(
        names.filter((file) => /^_|^\.init/.test(file)),
        [],
      );
    });
  }

  test("into the current folder, when that is empty; -q says nothing", async () => {
    const { code, stderr } = await sdcpp(["init", ".", "-t", "node"], { cwd: folder });
    assert.deepEqual([code, stderr], [0, "Next:\n  npm install\n  npm start\nREADME.md there says more.\n"]);
    assert.ok((await readdir(folder)).includes("package.json"));
    assert.equal((await sdcpp(["init", "quiet", "-t", "node", "-q"], { cwd: folder })).stderr, "");
  });

  test("refuses a folder with something in it, and a file", async () => {
    await writeFile(path.join(folder, "mine.txt"), "mine");
    const full = await sdcpp(["init", ".", "-t", "node"], { cwd: folder });
    assert.deepEqual([full.code, full.stdout, full.stderr], [2, "", "folder: . is not empty: it has mine.txt\n"]);
    const file = await sdcpp(["init", "mine.txt", "-t", "node"], { cwd: folder });
    assert.equal(file.code, 2);
    assert.match(file.stderr, /^folder: .*mine\.txt cannot be written: ENOTDIR/);
    assert.deepEqual(await readdir(folder), ["mine.txt"]);
  });

  test("names what is missing: the folder, the template, a template that there is", async () => {
    const none = await sdcpp(["init"], { cwd: folder });
    assert.equal(none.code, 2);
    assert.match(none.stderr, /^folder: name one, as in npx node-sd-cpp init my-app/);
    const listed = await sdcpp(["init", "app"], { cwd: folder });
    assert.equal(listed.code, 2);
    for (const { name, description } of templates()) assert.ok(listed.stderr.includes(`${name.padEnd(10)}${description}`), listed.stderr);
    const wrong = await sdcpp(["init", "app", "-t", "nodde"], { cwd: folder });
    assert.deepEqual([wrong.code, /electron.*express.*next.*node/s.test(wrong.stderr)], [2, true]);
    assert.deepEqual(await readdir(folder), []);
  });

  /** Runs it in a terminal, where somebody types `answer`; what the terminal got. */
  async function asked(answer: string): Promise<string> {
    const quoted = [process.execPath, cli, "init", "app"].map((word) => `'${word}'`).join(" ");
    const child = spawn("script", ["-qefc", quoted, "/dev/null"], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (data) => {
      if (!text.includes("Which template?") && `${text}${data}`.includes("Which template?")) child.stdin.write(answer);
      text += data;
    });
    await new Promise((resolve) => child.on("close", resolve));
    return text;
  }

  test("a terminal is asked", { skip: process.platform !== "linux" }, async () => {
    assert.match(await asked("express\n"), /express +a server.*Which template\?.*npm start/s);
    assert.ok((await readdir(path.join(folder, "app"))).includes("public"));
    await rm(path.join(folder, "app"), { recursive: true });
    assert.match(await asked("expres\n"), /expected one of electron, express, next, node, received "expres"/);
    assert.match(await asked("\u0003"), /Interrupted/);
    assert.deepEqual(await readdir(folder), []);
  });
});

describe("writeApp", () => {
  /** The last file cannot be written: the place of its folder is a file. */
  const impossible = { "first.txt": "1", "folder/second.txt": "2", "first.txt/third.txt": "3" };

  test("leaves nothing when it fails, not even the folders on the way to a new one", async () => {
    await assert.rejects(writeApp(impossible, path.join(folder, "new", "app")), InvalidOptionError);
    assert.deepEqual(await readdir(folder), []);
  });

  test("leaves an empty folder empty when it fails", async () => {
    const app = path.join(folder, "empty");
    await mkdir(app);
    await assert.rejects(writeApp(impossible, app), InvalidOptionError);
    assert.deepEqual(await readdir(app), []);
  });

  test("names of folders that npm would not take become names that it takes", async () => {
    const nameOf = async (app: string) => JSON.parse((await appFiles("node", app))["package.json"] as string).name;
    assert.equal(await nameOf("/home/Größe 画/"), "gr-e");
    assert.equal(await nameOf("_.Private"), "private");
    assert.equal(await nameOf("画"), "app");
  });
});
