import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { flagName, flagsOf, readFlags } from "../../../lib/cli/flags.js";
import { createOutput } from "../../../lib/cli/output.js";
import { pageAddress } from "../../../lib/cli/pages.js";
import { formatSeconds } from "../../../lib/cli/progress.js";
import { InvalidOptionError } from "../../../lib/errors.js";
import { generateOptions, modelOptions, samplers } from "../../../lib/options/index.js";
import { slug } from "../../../lib/picture/slug.js";

const cli = path.join(__dirname, "../../../lib/cli/cli.ts");

function sdcpp(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", cli, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("sdcpp", () => {
  it("--help shows every option with defaults and names", () => {
    const { status, stdout, stderr } = sdcpp("generate", "--help", "--all");
    assert.deepEqual([status, stderr], [0, ""]);
    const short = sdcpp("generate", "--help").stdout;
    assert.ok(short.split("\n").length < 50 && short.includes("--steps") && short.includes("--all") && !short.includes("--sigmas"));
    assert.equal(stdout.match(/--force/g)?.length, 1);
    const text = stdout.replace(/\s+/g, " ");
    for (const { name } of [...flagsOf(modelOptions), ...flagsOf(generateOptions)]) {
      if (name !== "prompt" && name !== "preset") assert.ok(text.includes(`--${name} `), name);
    }
    assert.ok(text.includes(samplers.join(", ")));
    for (const part of ["(1 to 1000) [default: by family]", "[default: 7,8,9]", "[default: random]", "[default: cuda]"])
      assert.ok(text.includes(part), part);
  });

  const usage: [string[], RegExp][] = [
    [["generat"], /Did you mean generate/],
    [["generate"], /^prompt: expected a text: npx node-sd-cpp generate "a lighthouse/],
    [
      ["generate", "x", "--model", "sd3.5-medum"],
      /^--model: sd3\.5-medum is neither a file nor a model's name; did you mean sd3\.5-medium\?/,
    ],
    [["generate", "x", "-o", "-", "-b", "2"], /^--output: expected a file or folder for several pictures, received -/],
    [["generate", "x", "-o", "-", "--json"], /^--output: expected a file or folder beside --json, received -/],
    [["generate", "x", "-o", "/proc/x.png"], /^--output: \/proc cannot be written/],
    [["generate", "x", "-W", "100"], /^--width: expected a multiple of 16/],
    [["generate", "x", "-s", "-1"], /^--seed: expected/],
    [["generate", "x", "--cfgscale", "3"], /Unknown argument: cfgscale; did you mean --cfg-scale\?/],
    [["generate", "x", "--steps", "abc"], /^--steps: expected an integer from 1 to 1000, received "abc"/],
    [["generate", "x", "--steps"], /Not enough arguments following: steps/],
    [["generate", "x", "--eta", "-1"], /^--eta: expected .*, received -1/],
    [["generate", "x", "--skip-layer-guidance-layers", "7,-2"], /^--skip-layer-guidance-layers: .*received -2/],
    [["generate", "x", "--output", "x.bmp"], /^--output: expected .*\.png/],
    [["generate", "x", "--backend", "cuda0"], /--backend: expected .*"cuda:0"/],
    [["generate", "x", "y", "--steps", "0"], /^--steps: expected/],
    [["devices", "--foo"], /Unknown argument: foo/],
  ];
  for (const [args, message] of usage) {
    it(`exits 2 for: ${args.join(" ") || "nothing"}`, () => {
      const { status, stdout, stderr } = sdcpp(...args);
      assert.match(stderr, new RegExp(message, "m"));
      assert.deepEqual([status, stdout], [2, ""]);
    });
  }

  it("shows its help without a command, its version for -v, and a script that completes", () => {
    const help = sdcpp();
    assert.deepEqual([help.status, help.stderr], [0, ""]);
    assert.match(help.stdout, /^sdcpp <command>[\s\S]*generate \[prompt\.\.\]/);
    assert.match(sdcpp("-v").stdout, /^\d+\.\d+\.\d+\n$/);
    assert.match(sdcpp("completion").stdout, /sdcpp/);
  });

  it("ends the help of each command with the page of docs/ that has more, and these are there", () => {
    const commands = [...sdcpp("--help").stdout.matchAll(/^ {2}sdcpp (\w+)/gm)]
      .map(([, name = ""]) => name)
      .filter((name) => name !== "completion");
    assert.ok(commands.length >= 9, commands.join(" "));
    for (const command of ["", ...commands]) {
      const help = sdcpp(...(command ? [command] : []), "--help").stdout.trimEnd();
      const [, page = "", anchor] = /More: (?:https:\/\/\S+\/)?docs\/([\w-]+\.md)(?:#([\w-]+))?$/.exec(help) ?? [];
      assert.ok(page, `${command}: ${help.slice(-200)}`);
      const headings = readFileSync(path.join(__dirname, "../../../docs", page), "utf8").match(/^#+ .*$/gm) ?? [];
      const anchors = headings.map((line) =>
        line
          .replace(/^#+ /, "")
          .toLowerCase()
          .replace(/[^\w\s-]/g, "")
          .replace(/\s/g, "-"),
      );
      assert.ok(!anchor || anchors.includes(anchor), `${command}: ${page}#${anchor}`);
    }
  });

  it("the page's address follows from the homepage", () => {
    assert.equal(pageAddress("guide.md#queue", ""), "docs/guide.md#queue");
    assert.equal(
      pageAddress("guide.md#queue", "https://github.com/some/where#readme"),
      "https://github.com/some/where/blob/main/docs/guide.md#queue",
    );
    assert.equal(pageAddress("guide.md", "https://some.where/sd/"), "https://some.where/sd/docs/guide.md");
  });

  it("exits 1 for a file that is not there", () => {
    const { status, stdout, stderr } = sdcpp("generate", "x", "--model", "does-not-exist.gguf");
    assert.deepEqual([status, stdout, stderr], [1, "", "model: does-not-exist.gguf does not exist (ERR_MODEL_FILE)\n"]);
  });
});

describe("flags", () => {
  it("are the option paths in kebab case", () => {
    assert.equal(flagName("cfgScale"), "cfg-scale");
    assert.equal(flagName("skipLayerGuidance.layers[2]"), "skip-layer-guidance-layers");
    assert.equal(flagName("t5xxl"), "t5xxl");
  });

  it("become the options object", () => {
    const argv = {
      steps: "8",
      "cfg-scale": "4.5",
      seed: "9223372036854775807",
      sigmas: "1, 0.5,0",
      sampler: "lcm",
      "batch-count": "many",
      eta: "",
    };
    assert.deepEqual(readFlags(flagsOf(generateOptions), argv), {
      steps: 8,
      cfgScale: 4.5,
      seed: 9223372036854775807n,
      sigmas: [1, 0.5, 0],
      sampler: "lcm",
      batchCount: "many",
      eta: "",
    });
    assert.deepEqual(
      readFlags(flagsOf(modelOptions), { "placement-text-encoders": "cpu", "placement-vae": "gpu", mmap: true, model: "12" }),
      {
        placement: { textEncoders: "cpu", vae: "gpu" },
        mmap: true,
        model: "12",
      },
    );
  });

  it("join a switch and its members", () => {
    const guidance = (argv: object) => readFlags(flagsOf(generateOptions), argv as Record<string, unknown>).skipLayerGuidance;
    assert.equal(guidance({ "skip-layer-guidance": true }), true);
    assert.deepEqual(guidance({ "skip-layer-guidance": true, "skip-layer-guidance-scale": "3" }), { scale: 3 });
    assert.deepEqual(guidance({ "skip-layer-guidance-layers": "1,2" }), { layers: [1, 2] });
    assert.equal(guidance({ "skip-layer-guidance": false, "skip-layer-guidance-scale": "3" }), false);
    assert.equal(guidance({}), undefined);
  });
});

describe("output", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "sdcpp-output-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("names files by prompt and seed, and never takes a name twice", () => {
    const output = createOutput(folder, "A lighthouse, in a storm!");
    const file = path.join(folder, "a-lighthouse-in-a-storm-7.png");
    assert.equal(output.file(0, 7n), file);
    writeFileSync(file, "");
    assert.equal(output.file(0, 7n), path.join(folder, "a-lighthouse-in-a-storm-7-2.png"));
    assert.equal(output.file(1, 8n), path.join(folder, "a-lighthouse-in-a-storm-8.png"));
  });

  it("numbers the pictures of a batch", () => {
    const target = path.join(folder, "a.b.webp");
    assert.equal(createOutput(target, "x").file(0, 7n), target);
    assert.equal(createOutput(target, "x", { count: 3 }).file(1, 7n), path.join(folder, "a.b-2.webp"));
  });

  it("refuses a missing folder and an unknown ending", () => {
    assert.throws(() => createOutput(path.join(folder, "none", "a.png"), "x"), InvalidOptionError);
    assert.throws(() => createOutput("a.gif", "x"), InvalidOptionError);
  });

  it("refuses a folder that cannot be written, and leaves nothing in one that can", () => {
    assert.throws(() => createOutput("/proc/a.png", "x"), /output: \/proc cannot be written: E/);
    const before = readdirSync(folder);
    createOutput(path.join(folder, "new.png"), "x");
    assert.deepEqual(readdirSync(folder), before);
  });

  it("keeps files that are to be kept, also those of a batch", () => {
    writeFileSync(path.join(folder, "old-2.png"), "");
    const target = path.join(folder, "old.png");
    assert.equal(createOutput(target, "x", { keep: true }).file(0, 7n), target);
    assert.throws(() => createOutput(target, "x", { keep: true, count: 2 }), /old-2\.png exists, and --no-clobber keeps it/);
    assert.equal(createOutput(target, "x", { count: 2 }).file(1, 7n), path.join(folder, "old-2.png"));
  });

  it("makes short, safe names of any prompt", () => {
    assert.equal(slug("../../etc/passwd"), "etc-passwd");
    assert.equal(slug("Größe 中文"), "größe-中文");
    assert.equal(slug("!?"), "image");
    assert.ok(slug("word ".repeat(100)).length <= 40);
  });
});

describe("formatSeconds", () => {
  it("is short", () => {
    assert.deepEqual([0.12, 9.96, 42.4, 59.6, 83, 3661].map(formatSeconds), ["0.1 s", "10.0 s", "42 s", "1:00", "1:23", "1:01:01"]);
  });
});
