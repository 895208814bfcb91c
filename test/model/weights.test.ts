import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { InvalidOptionError, type Model } from "../../lib/index.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

let model: Model;
before(async () => {
  model = await loadSmall({ promptCache: 100 });
});
after(() => model.dispose());

const draw = (prompt: string) => drawHash(model, { prompt, steps: 1 });

async function same(...prompts: string[]): Promise<void> {
  const [first = "", ...others] = prompts;
  for (const other of others) assert.equal(await draw(other), await draw(first), `${first} = ${other}`);
}

async function different(...prompts: string[]): Promise<void> {
  const hashes = new Set<string>();
  for (const prompt of prompts) hashes.add(await draw(prompt));
  assert.equal(hashes.size, prompts.length, prompts.join(" | "));
}

test("a weight changes the picture, a weight of 1 does not", async () => {
  await same("a red circle", "a (red:1) circle", "(a red circle:1.0)");
  await different("a red circle", "a (red:1.5) circle", "a (red:0.5) circle", "a (red:-1) circle", "a (red) circle", "a [red] circle");
});

test("parentheses are 1.1 and multiply when nested; what is not closed reaches to the end", async () => {
  await same("a (red) circle", "a (red:1.1) circle", "a (red: 1.1 ) circle");
  await same("a ((red)) circle", "a ((red:1.1):1.1) circle");
  await same("a (red circle", "a (red circle)");
  await same("a [red circle", "a [red circle]");
  await different("a (red) circle", "a ((red)) circle", "a [[red]] circle", "a ([red]) circle");
});

test("a backslash makes a bracket a character", async () => {
  await same("a \\(red\\) circle", "a \\(red) circle");
  await same("a \\[red\\] circle", "a \\[red] circle");
  await different("a red circle", "a \\(red\\) circle", "a (red) circle", "a \\[red\\] circle", "a \\\\red circle");
});

test("BREAK begins a new chunk, whatever spaces are around it", async () => {
  await same("red BREAK blue", "red\n BREAK  blue");
  await different("red BREAK blue", "red blue", "red break blue", "red BREAK BREAK blue");
});

test("weights that make no sense are refused before the run waits in line", async () => {
  for (const prompt of ["(cat:...)", "(cat:1.2.3)", "(cat:99999)", `${"(".repeat(200)}cat`]) {
    await assert.rejects(
      model.generate({ ...quick, prompt }),
      (error) => error instanceof InvalidOptionError && error.path === "prompt",
      prompt,
    );
  }
  await assert.rejects(
    model.generate({ ...quick, negativePrompt: "(cat:...)" }),
    (error) => error instanceof InvalidOptionError && error.path === "negativePrompt",
  );
});
