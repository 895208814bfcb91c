import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadModel, type Model } from "../../lib/index.js";
import { clipG, clipL, largeShaped, t5Small, taesd3 } from "../helpers/checkpoints.js";
import { limit, outcome, survivor } from "../helpers/hostile.js";
import { drawHash } from "../helpers/runs.js";

const refused = "ERR_INVALID_OPTION";

describe("prompts", () => {
  const held = survivor();

  const texts: Record<string, [text: string, expected: string | undefined]> = {
    "1 MB of words": ["word ".repeat(200_000), refused],
    "1 MB without a space": ["x".repeat(1_000_000), refused],
    "1 MB of brackets": ["(".repeat(1_000_000), refused],
    "the longest that is let in, in one word": ["x".repeat(16_384), undefined],
    "the longest that is let in, of brackets": ["(".repeat(16_384), undefined],
    "brackets opened 8,000 times and closed": [`${"(".repeat(8000)}a${")".repeat(8000)}`, undefined],
    "brackets of all kinds": ["([{<((a]]}>)) [(] ) ( ]", "picture"],
    "escaped brackets and a lone backslash": ["\\(a\\) \\[b\\] \\", "picture"],
    nothing: ["", "picture"],
    "white space": [" \t\r\n\u00a0\u3000", "picture"],
    "control characters": ["a\u0001\u0007\u001b[31m\u007f\u0085b", "picture"],
    NUL: ["a\0b", refused],
    "a lone high surrogate": ["a \ud83d fox", "picture"],
    "a lone low surrogate at the end": ["a fox \ude00", "picture"],
    "emoji with joiners": ["👩‍👩‍👧‍👦 🏳️‍🌈 🇫🇷", "picture"],
    "right to left, with overrides": ["\u202eעברית العربية\u202c", "picture"],
    "combining marks": [`e${"\u0301".repeat(30)}`, "picture"],
    "a byte order mark and noncharacters": ["\ufeffa\uffff\ufffe", "picture"],
    "BREAK twice": ["a BREAK b BREAK ", "picture"],
    "format specifiers": ["%s%n%x %p", "picture"],
    "a path and a shell command": ["$(touch /tmp/x); ../../etc/passwd `id`", "picture"],
    "a LoRA tag": ["<lora:../../x:1>", refused],
    "2,000 LoRA tags": ["<lora:x>".repeat(2000), refused],
    "an unfinished LoRA tag": ["<lora:", "picture"],
  };
  for (const [name, [text, expected]] of Object.entries(texts)) {
    it(name, limit, async () => {
      const got = await outcome(held.model, { prompt: text });
      if (expected) assert.equal(got, expected);
      assert.equal(await outcome(held.model, { negativePrompt: text, cfgScale: 2 }), got, "as the negative prompt");
    });
  }

  const weights = [
    "...",
    "1.2.3",
    "-",
    "+",
    ".",
    "",
    "1e9999",
    "-1e9999",
    "nan",
    "inf",
    "0x10",
    "9".repeat(44),
    "1,5",
    "٣",
    "1 2",
    "--1",
    "1e",
  ];
  it("weights of every kind", limit, async () => {
    for (const weight of weights) await outcome(held.model, { prompt: `(cat:${weight}) [dog:${weight}]` });
    assert.equal(await outcome(held.model, { prompt: "(cat:...)" }), refused);
    for (const weight of ["0", "-3", "1000"]) assert.equal(await outcome(held.model, { prompt: `(cat:${weight})` }), "picture");
  });

  it("values that are no strings", limit, async () => {
    const text = { toString: () => "a", length: 1 };
    for (const prompt of [undefined, null, 7, 7n, true, Symbol("a"), ["a"], {}, () => "a", new String("a"), text, Buffer.from("a")])
      assert.equal(await outcome(held.model, { prompt }), refused);
  });
});

describe("prompts of more chunks for one encoder than for another", () => {
  const draw = (model: Model, prompt: string) => drawHash(model, { prompt, steps: 1 });

  it("around the 75 tokens of a chunk, with CLIP-L, CLIP-G and T5", limit, async () => {
    await using model = await loadModel({
      diffusionModel: await largeShaped("f16"),
      clipL: await clipL(),
      clipG: await clipG(),
      t5xxl: await t5Small(),
      taesd: await taesd3(),
      threads: 1,
    });
    // T5 needs more tokens than CLIP for these words, so that its chunks run ahead.
    const words = (count: number) => "antidisestablishmentarian ".repeat(count).trim();
    const counts = await model.countTokens(words(20));
    assert.notEqual(counts.clipL?.chunks, counts.t5xxl?.chunks, JSON.stringify(counts));
    const first = await draw(model, words(20));
    await draw(model, words(74));
    assert.equal(await draw(model, words(20)), first, "the same bytes each time");
  });
});
