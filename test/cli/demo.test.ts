import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { readParameters } from "../../lib/index.js";
import { sdcpp } from "../helpers/cli.js";
import { center, type DemoColor, edge, nearestColor, type Pixels, pictureHash } from "../helpers/pixels.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-cli-"));
});
after(() => rm(folder, { recursive: true, force: true }));

async function pixelsOf(file: string): Promise<Pixels> {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels };
}

/** Shapes that are filled in the middle, so that the middle has the shape's color. */
const drawings: [string, DemoColor, DemoColor][] = [
  ["a red circle on a blue background", "red", "blue"],
  ["a yellow square on a purple background", "yellow", "purple"],
  ["a green triangle on a white background", "green", "white"],
  ["a white heart on a red background", "white", "red"],
  ["a blue star on a yellow background", "blue", "yellow"],
  ["a black diamond on a pink background", "black", "pink"],
  ["an orange cross on a black background", "orange", "black"],
  ["a teal circle on a gray background", "teal", "gray"],
  ["a pink square on a green background", "pink", "green"],
  ["a purple star on an orange background", "purple", "orange"],
  ["a gray heart on a teal background", "gray", "teal"],
  ["a red diamond on a white background", "red", "white"],
];

describe("the demo model draws what the prompt says", { concurrency: 2 }, () => {
  for (const [index, [prompt, shape, background]] of drawings.entries()) {
    test(prompt, async () => {
      const file = path.join(folder, `drawing-${index}.png`);
      const { code, stdout, stderr } = await sdcpp([
        "generate",
        prompt,
        "--model",
        "demo",
        "--threads",
        "1",
        "--seed",
        String(index),
        "-o",
        file,
      ]);
      assert.equal(code, 0, stderr);
      assert.equal(stdout, `${file}\n`);
      const picture = await pixelsOf(file);
      assert.deepEqual([picture.width, picture.height], [128, 128]);
      assert.deepEqual({ shape: nearestColor(picture, center), background: nearestColor(picture, edge) }, { shape, background });
    });
  }
});

const fast = ["--model", "demo", "--threads", "1", "--steps", "2", "--seed", "5"];

test("the file says how it was made; the same command gives the same pixels", async () => {
  const [first, again] = [path.join(folder, "first.png"), path.join(folder, "again.png")];
  const prompt = "a red circle, on a blue background\nsecond line: 🦊";
  assert.equal((await sdcpp(["generate", prompt, ...fast, "--cfg-scale", "2", "--negative-prompt", "gray", "-o", first])).code, 0);
  assert.equal((await sdcpp(["generate", prompt, ...fast, "--cfg-scale", "2", "--negative-prompt", "gray", "-o", again])).code, 0);
  assert.equal(pictureHash(await pixelsOf(first)), pictureHash(await pixelsOf(again)));
  const read = await readParameters(first);
  assert.ok(read);
  const { steps, sampler, cfgScale, seed, width, height, model, negativePrompt } = read;
  assert.deepEqual(
    { prompt: read.prompt, negativePrompt, steps, sampler, cfgScale, seed, width, height, model },
    { prompt, negativePrompt: "gray", steps: 2, sampler: "euler", cfgScale: 2, seed: 5n, width: 128, height: 128, model: "demo" },
  );
  assert.match(read.text, /Version: node-sd-cpp /);
});

test("each image format by its ending, with parameters", async () => {
  for (const [ending, format] of Object.entries({ jpg: "jpeg", webp: "webp", avif: "heif" })) {
    const file = path.join(folder, `picture.${ending}`);
    assert.equal((await sdcpp(["generate", "a red circle", ...fast, "-o", file])).code, 0);
    assert.equal((await sharp(file).metadata()).format, format);
    assert.equal((await readParameters(file))?.seed, 5n);
  }
});

test("a batch with --json: one event a line on stdout, one file a picture", async () => {
  const target = await mkdtemp(path.join(folder, "batch-"));
  const { code, stdout, stderr } = await sdcpp(["generate", "a red circle", ...fast, "--batch-count", "2", "--json", "-o", target]);
  assert.equal(code, 0, stderr);
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const images = events.filter((event) => event.type === "image");
  assert.deepEqual(
    images.map(({ index, seed, width, file }) => ({ index, seed, width, file: path.basename(file) })),
    [
      { index: 0, seed: "5", width: 128, file: "a-red-circle-5.png" },
      { index: 1, seed: "6", width: 128, file: "a-red-circle-6.png" },
    ],
  );
  assert.equal(events.at(-1).type, "result");
  assert.ok(events.some((event) => event.type === "progress" && event.phase === "sample" && event.step === 2 && event.secondsPerStep > 0));
  assert.deepEqual((await readdir(target)).sort(), ["a-red-circle-5.png", "a-red-circle-6.png"]);
});

test("piped progress is plain lines on stderr", async () => {
  const { stderr } = await sdcpp(["generate", "a red circle", ...fast, "-o", path.join(folder, "plain.png")]);
  assert.match(stderr, /sample/);
  assert.ok(!stderr.includes("\x1b"), "no terminal codes");
});

test("Ctrl-C keeps the finished picture, leaves no partial file and exits with 130", async () => {
  const target = await mkdtemp(path.join(folder, "interrupt-"));
  const args = ["generate", "a red circle", ...fast, "--batch-count", "50", "--json", "-o", target];
  const { code, stdout } = await sdcpp(args, {
    onStart: (child) => {
      let seen = "";
      let interrupted = false;
      child.stdout?.on("data", (data) => {
        seen += data;
        // Once: a second Ctrl-C ends the process without ado.
        if (!interrupted && seen.includes('"type":"image"')) interrupted = child.kill("SIGINT");
      });
    },
  });
  assert.equal(code, 130);
  const finished = stdout.split("\n").filter((line) => line.startsWith('{"type":"image"')).length;
  const files = await readdir(target);
  assert.ok(finished >= 1 && finished < 50);
  assert.equal(files.length, finished);
  for (const file of files) assert.equal((await sharp(await readFile(path.join(target, file))).metadata()).width, 128);
});

test("mistakes exit with 2, failures with 1, each with one clear line", async () => {
  const wrong = await sdcpp(["generate", "x", "--steps", "0", "--model", "demo"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--steps.*received/);
  assert.match((await sdcpp(["generate", "x", "--preset", "demo"])).stderr, /Unknown argument: preset; did you mean --model\?/);
  const missing = await sdcpp(["generate", "x", "--model", "no-such-model.gguf"]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /no-such-model\.gguf.*ERR_MODEL_FILE/s);
  assert.ok(!missing.stderr.includes("    at "), "no stack trace");
});

test("devices lists the CPU, for people and as JSON", async () => {
  const text = await sdcpp(["devices"]);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /cpu/);
  const json = await sdcpp(["devices", "--json"]);
  const devices = JSON.parse(json.stdout);
  const cpu = devices.find((device: { id: string }) => device.id === "cpu");
  assert.ok(cpu.memoryTotal > 0 && cpu.type === "cpu");
});

test("a wrong variable of the environment is told by its own name", async () => {
  const { code, stderr } = await sdcpp(["generate", "x", "--steps", "1"], { env: { SDCPP_BACKEND: "potato" } });
  assert.equal(code, 2);
  assert.match(stderr, /^SDCPP_BACKEND: expected one of "auto", "cpu", received "potato"$/m);
});
