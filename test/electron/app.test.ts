import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { loadModel, readParameters } from "../../lib/index.js";
import { center, edge, nearestColor, type Pixels, pictureHash } from "../helpers/pixels.js";
import { alive, gone } from "../helpers/processes.js";
import { electronRuntime, installExample, type Packaging, packageApp } from "./installed.js";
import { PictureApp } from "./picture-app.js";

const prompt = "a red circle on a blue background"; // the page's first
const [steps, seed] = [4, 7];

/** What docs/electron.md tells packagers to leave out of the archive. */
const unpack = "**/node_modules/{node-sd-cpp,sharp,@img}/**";
const packagings: Record<string, Packaging> = { "in a folder": {}, "in app.asar, as docs/electron.md says": { unpack } };

let work: string;
let example: string;
let reference: string;

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-electron-"));
  example = await installExample(work);
  process.env.NODE_SD_CPP_PREBUILD = path.join(example, "node_modules", "node-sd-cpp"); // the bytes are those of the same build
  await using model = await loadModel({ preset: "demo", threads: 1 });
  delete process.env.NODE_SD_CPP_PREBUILD;
  const { images } = await model.generate({ prompt, steps, seed });
  reference = pictureHash(images[0] as Pixels);
});
after(() => rm(work, { recursive: true, force: true }));

/** Which files a process has mapped; Linux. */
function mapped(pid: number, name: RegExp): string[] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return [...new Set(lines.map((line) => line.slice(line.indexOf("/"))).filter((file) => name.test(file)))];
}

for (const [index, [where, packaging]] of Object.entries(packagings).entries()) {
  describe(`examples/electron ${where}`, () => {
    let app: PictureApp;
    let folder: string;

    before(async () => {
      folder = path.join(work, `app-${index}`);
      const program = await packageApp(example, await electronRuntime(), folder, packaging);
      app = await PictureApp.launch(program, path.join(work, `home-${index}`));
    });
    after(() => app?.electron.close());

    test("draws what Node draws, in a utility process; progress and previews come to the page", async () => {
      const seen = await app.listen();
      await app.generate(steps, seed);
      assert.equal(await app.says(/^(Done|\w+Error)/), `Done. Seed ${seed}.`);
      const picture = await app.picture();
      assert.equal(pictureHash(picture), reference);

      const events = await seen();
      assert.deepEqual(
        events.filter(({ phase }) => phase === "sample").map(({ step }) => step),
        [1, 2, 3, 4],
      );
      const previews = events.filter(({ phase }) => phase === undefined);
      assert.ok(previews.length > 0 && previews.every(({ width, height }) => width === 128 && height === 128));

      const shown = await app.screenshot(`electron-${index}-done`);
      assert.deepEqual([nearestColor(shown, center), nearestColor(shown, edge)], ["red", "blue"]);
      const engine = (await app.enginePid()) as number;
      const main = app.electron.process().pid as number;
      const [addon] = mapped(engine, /node-sd-cpp(\.glibc)?\.node$/);
      assert.ok(addon?.startsWith(folder), addon);
      for (const library of mapped(engine, /libsdcpp-ggml/)) assert.equal(path.dirname(library), path.dirname(addon as string)); // of a prebuild
      assert.deepEqual(mapped(main, /node-sd-cpp(\.glibc)?\.node$|libsdcpp-ggml|libvips/), []);
    });

    test("Save writes the picture with its parameters", async () => {
      const file = path.join(folder, "saved.png");
      await app.answerDialogs(file);
      await app.page.click("[name=save]");
      assert.equal(await app.says(/^(Saved|\w+Error)/), `Saved as ${file}.`);
      const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
      assert.equal(info.channels, 3);
      assert.equal(pictureHash({ ...info, data, channels: 3 }), reference);
      const parameters = await readParameters(file);
      assert.equal(parameters?.prompt, prompt);
    });

    test("Cancel stops a picture, and the next one is drawn", async () => {
      await app.generate(1000, seed);
      await app.says(/^sample: /);
      await app.page.click("[name=cancel]");
      await app.says(/^Canceled\.$/);
      assert.ok(await app.page.isDisabled("[name=save]"));
      await app.generate(steps, seed);
      await app.says(/^Done/);
      assert.equal(pictureHash(await app.picture()), reference);
    });

    test("the engine's process is killed in mid-run: the page says so, the app lives, and the next picture is drawn", async () => {
      const killed = (await app.enginePid()) as number;
      await app.generate(1000, seed);
      await app.says(/^sample: /);
      const signal = index === 0 ? "SIGSEGV" : "SIGKILL";
      process.kill(killed, signal);
      const expected = new RegExp(`^EngineCrashError: The engine's process ended with ${signal} in phase "sample"`);
      assert.match(await app.says(/^\w+Error/), expected);
      await app.screenshot(`electron-${index}-crash`);
      await app.generate(steps, seed);
      await app.says(/^Done/);
      assert.equal(pictureHash(await app.picture()), reference);
      assert.notEqual(await app.enginePid(), killed);
    });

    test(`the engine's process ends with the app${index === 0 ? "" : ", which is killed"}, in the middle of a picture`, async () => {
      const engine = (await app.enginePid()) as number;
      await app.generate(1000, seed);
      await app.says(/^sample: /);
      assert.ok(alive(engine));
      if (index === 0) await app.electron.close();
      else app.electron.process().kill("SIGKILL");
      await gone(engine);
    });
  });
}
