import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { describe, test } from "node:test";
import { packageRoot } from "../../lib/engine/binding.js";
import { InvalidOptionError } from "../../lib/index.js";
import { t5Small } from "../helpers/checkpoints.js";
import { collect, loadSmall, quick } from "../helpers/runs.js";

interface End {
  positive: string;
  negative: string;
  chunks: number;
  seconds: number;
}

/** In a process of its own, so that a crash fails one test instead of ending the runner. */
function drawAlone(prompt: string): Promise<End> {
  return new Promise((resolve, reject) => {
    const script = path.join(packageRoot, "test", "fixtures", "draw-prompt.ts");
    const child = spawn(process.execPath, ["--import", "tsx", script], { cwd: packageRoot, stdio: ["pipe", "pipe", "inherit"] });
    const limit = setTimeout(() => child.kill("SIGKILL"), 120_000);
    let output = "";
    child.stdout.on("data", (data) => {
      output += data;
    });
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      if (code === 0) resolve(JSON.parse(output));
      else reject(new Error(`ended with ${code ?? signal}`));
    });
    child.stdin.end(prompt);
  });
}

const bytes = 16_384;
const filled = (unit: string) => unit.repeat(Math.floor(bytes / Buffer.byteLength(unit)));
const letters = () => Array.from({ length: bytes }, (_, i) => String.fromCharCode(97 + ((i * i * 7 + i * 3) % 26))).join("");

describe("16 KiB of anything is a picture or an error, soon", () => {
  const picture = { positive: "picture 64", negative: "picture 64" };
  const refused = { positive: "ERR_INVALID_OPTION prompt", negative: "ERR_INVALID_OPTION negativePrompt" };
  const kinds: [string, string, object][] = [
    ["opening parentheses", filled("("), picture],
    ["opening brackets", filled("["), picture],
    ["spaces", filled(" "), picture],
    ["line ends", filled("\n"), picture],
    ["nested parentheses with text", filled("(a"), refused],
    ["nested brackets with text", filled("[a"), refused],
    ["closing parentheses", filled("())"), refused],
    ["words", filled("a red circle on a blue background, "), refused],
    ["one word of one letter", filled("a"), refused],
    ["one word without pattern", letters(), refused],
    ["emoji", filled("🦊"), refused],
    ["ideographs", filled("日"), refused],
    ["backslashes", filled("\\"), refused],
    ["colons and digits", filled(":1"), refused],
    ["BREAK", filled("BREAK "), refused],
    ["weights", filled("(a:1.2) "), refused],
    ["the tokenizers' own words", filled("<|endoftext|></s>"), refused],
  ];
  for (const [name, prompt, expected] of kinds) {
    test(name, async () => {
      const { chunks, seconds, ...end } = await drawAlone(prompt);
      assert.deepEqual(end, expected);
      assert.ok(seconds < 60, `${seconds} s`);
      if (expected === picture) assert.equal(chunks, 1);
      else assert.ok(chunks > 16 || chunks === 0, `${chunks} chunks`); // 0: a weight out of range
    });
  }
});

test("400 words are a picture, and the log says when T5 reads more than it was trained on", async () => {
  await using model = await loadSmall({ t5xxl: await t5Small() });
  const notices = async (prompt: string) => {
    const { events, error } = await collect(model.generate({ ...quick, steps: 1, prompt }));
    assert.equal(error, undefined);
    return events.flatMap((event) => (event.type === "log" && event.level === "warn" ? event.text.trim() : []));
  };
  const words = (count: number) => Array.from({ length: count }, (_, i) => ["red", "fox", "snow", "light"][i % 4]).join(" ");
  const { t5xxl } = await model.countTokens(words(400));
  assert.ok(t5xxl && t5xxl.tokens >= 400);
  assert.deepEqual(await notices(words(400)), [`T5 reads ${t5xxl.positions} tokens; Stable Diffusion 3.5 was trained with at most 256`]);
  assert.deepEqual(await notices(words(200)), []);
});

test("T5 reads 1232 tokens with the end, and no more", async () => {
  await using model = await loadSmall({ t5xxl: await t5Small() });
  const check = (count: number) => model.generate({ ...quick, prompt: "red", t5Prompt: "red ".repeat(count), steps: 1 });
  const run = check(1231);
  for await (const event of run) if (event.type === "phase" && event.phase === "sample") break;
  run.cancel();
  await assert.rejects(run, { name: "AbortError" });
  await assert.rejects(check(1232), {
    code: "ERR_INVALID_OPTION",
    path: "t5Prompt",
    message: /1233 tokens of T5 with the end, expected at most 1232/,
  });
});

test("16 chunks are encoded, 17 are refused with the number of chunks", async () => {
  await using model = await loadSmall();
  const prompt = "red ".repeat(1200);
  const run = model.generate({ ...quick, prompt });
  for await (const event of run) if (event.type === "phase" && event.phase === "sample") break; // sampling takes long
  run.cancel();
  await assert.rejects(run, { name: "AbortError" });
  await assert.rejects(
    model.generate({ ...quick, prompt: `${prompt} red` }),
    (error) =>
      error instanceof InvalidOptionError && error.path === "prompt" && /17 chunks of 77 tokens, expected at most 16/.test(error.message),
  );
});
