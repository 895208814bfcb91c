import assert from "node:assert/strict";
import { test } from "node:test";
import { FuzzFolder } from "./folders.js";
import { checkCase, fuzzCase, valid } from "./headers.js";

const seed = "fixed";

test("the files that are mutated are valid themselves", async () => {
  for (const [i, data] of valid.entries()) assert.equal(await checkCase(data), true, `file ${i}`);
});

test("3,000 mutated headers and folders (npm run fuzz: 100,000) are read or refused with a place, never anything else", async () => {
  let read = 0;
  const folder = new FuzzFolder();
  for (let i = 0; i < 3000; i++) {
    try {
      if (i % 5 === 4 ? await folder.check(seed, i) : await checkCase(fuzzCase(seed, i))) read++;
    } catch (error) {
      throw new Error(`npm run fuzz -- --seed ${seed} --first ${i} --count 1`, { cause: error });
    }
  }
  await folder.close();
  assert.ok(read > 30 && read < 1500, `${read} were valid: the mutations should neither spare nor destroy every file`);
});

test("a case depends on its seed and number alone", () => {
  assert.deepEqual(fuzzCase(seed, 17), fuzzCase(seed, 17));
  assert.notDeepEqual(fuzzCase(seed, 17), fuzzCase("other", 17));
});
