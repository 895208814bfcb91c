import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { type NativeModel, native, packageRoot } from "../../lib/engine/binding.js";
import { clipL, largeShaped, t5Small, taesd3 } from "../helpers/checkpoints.js";

// Made by test/reference/tokens.py; SDCPP_TOKENS names another file of it, such as one of random texts.
const corpus = process.env.SDCPP_TOKENS ?? path.join(packageRoot, "test", "reference", "tokens.jsonl");

let model: NativeModel;
before(async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), t5xxl: await t5Small(), taesd: await taesd3() };
  model = await native().load({ ...files, threads: 1 }, () => {}).promise;
});
after(() => model.dispose());

/** The text's own ids, of what the encoders read. */
function idsOf(text: string): { clip: number[]; t5: number[] } {
  const escaped = text.replace(/[\\()[\]]/g, "\\$&");
  const { clipL, t5xxl } = model.tokens(escaped);
  const counts = model.countTokens(escaped);
  const clip = clipL?.ids.filter((_, at) => at % 77 > 0 && at % 77 < 76) ?? [];
  return { clip: [...clip.slice(0, counts.clipL?.tokens)], t5: [...(t5xxl?.ids.slice(0, counts.t5xxl?.tokens) ?? [])] };
}

test("every line of the corpus has the ids of the published tokenizers", { timeout: 600_000 }, async () => {
  let lines = 0;
  const wrong: string[] = [];
  for await (const line of createInterface({ input: createReadStream(corpus, "utf8") })) {
    const { text, ...expected } = JSON.parse(line) as { text: string; clip: number[]; t5: number[] };
    const got = idsOf(text);
    for (const encoder of ["clip", "t5"] as const) {
      const same = got[encoder].join() === expected[encoder].join();
      if (!same) wrong.push(`${encoder} ${JSON.stringify(text)}: expected ${expected[encoder]}, got ${got[encoder]}`);
    }
    lines++;
  }
  assert.ok(lines >= 500, `${lines} lines`);
  assert.equal(wrong.length, 0, `${wrong.length} of ${lines} lines:\n${wrong.slice(0, 20).join("\n")}`);
});
