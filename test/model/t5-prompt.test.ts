import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { InvalidOptionError, loadModel, type Model, readParameters } from "../../lib/index.js";
import { clipL, largeShaped, t5Small, taesd3 } from "../helpers/checkpoints.js";
import { drawHash, loadSmall, quick } from "../helpers/runs.js";

let model: Model;
before(async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), t5xxl: await t5Small(), taesd: await taesd3() };
  model = await loadModel({ ...files, threads: 1 });
});
after(() => model.dispose());

const [red, blue] = ["a red circle", "a blue square on the wet rocks"];

test("T5 reads t5Prompt and the CLIPs read the prompt", async () => {
  const reference = await drawHash(model, { prompt: red });
  const mixed = await drawHash(model, { prompt: red, t5Prompt: blue });
  const all = [reference, mixed, await drawHash(model, { prompt: blue, t5Prompt: red }), await drawHash(model, { prompt: blue })];
  assert.equal(new Set(all).size, 4);
  assert.equal(await drawHash(model, { prompt: red, t5Prompt: red }), reference, "the same text as none");
  assert.notEqual(await drawHash(model, { prompt: red, t5Prompt: "" }), reference, "an empty text is a text");
  assert.equal(await drawHash(model, { prompt: red }), reference, "no run leaves a trace");
  assert.equal(await drawHash(model, { prompt: red, t5Prompt: blue }), mixed);
});

test("the negative pass has its own, also when both prompts are equal", async () => {
  const guided = { prompt: red, negativePrompt: red, cfgScale: 3 };
  const hashes = [
    await drawHash(model, guided),
    await drawHash(model, { ...guided, t5Prompt: blue }),
    await drawHash(model, { ...guided, negativeT5Prompt: blue }),
    await drawHash(model, { ...guided, t5Prompt: blue, negativeT5Prompt: blue }),
  ];
  assert.equal(new Set(hashes).size, 4);
  assert.equal(await drawHash(model, { ...guided, negativeT5Prompt: red }), hashes[0]);
  const off = { prompt: red, cfgScale: 1 };
  assert.equal(await drawHash(model, { ...off, negativeT5Prompt: blue }), await drawHash(model, off), "without effect at cfg 1");
});

test("texts of different lengths, weights and BREAK in either", async () => {
  const long = "red blue green ".repeat(30);
  const hashes = [
    await drawHash(model, { prompt: red, t5Prompt: long }),
    await drawHash(model, { prompt: long, t5Prompt: red }),
    await drawHash(model, { prompt: red, t5Prompt: "(a blue:1.5) square BREAK rocks" }),
    await drawHash(model, { prompt: "red BREAK circle BREAK", t5Prompt: blue }),
  ];
  assert.equal(new Set(hashes).size, 4);
});

test("the file tells both texts", async () => {
  const { images, parameters } = await model.generate({ ...quick, prompt: red, t5Prompt: 'two\nlines, "quoted"', negativeT5Prompt: "x" });
  assert.equal(parameters.t5Prompt, 'two\nlines, "quoted"');
  const read = await readParameters((await images[0]?.encode("png")) as Buffer);
  assert.deepEqual([read?.prompt, read?.t5Prompt, read?.negativeT5Prompt], [red, 'two\nlines, "quoted"', "x"]);
});

test("mistakes name the option", async () => {
  const refused = (path: string, work: PromiseLike<unknown>, message: RegExp) =>
    assert.rejects(
      async () => await work,
      (error) => error instanceof InvalidOptionError && error.path === path && message.test(error.message),
    );
  await refused("t5Prompt", model.generate({ ...quick, t5Prompt: "(cat:...)" }), /not a number/);
  await refused(
    "negativeT5Prompt",
    model.generate({ ...quick, negativeT5Prompt: "red ".repeat(1300) }),
    /1301 tokens of T5 with the end, expected at most 1232/,
  );
  await refused("prompt", model.generate({ ...quick, prompt: "(cat:...)", t5Prompt: "cat" }), /not a number/);
  await using small = await loadSmall();
  await refused("t5Prompt", small.generate({ ...quick, t5Prompt: "cat" }), /has none; load it with t5xxl/);
  await refused("negativeT5Prompt", small.generate({ ...quick, negativeT5Prompt: "cat" }), /has none/);
});
