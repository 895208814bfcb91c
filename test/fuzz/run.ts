import { parseArgs } from "node:util";
import { FuzzFolder } from "./folders.js";
import { checkCase, fuzzCase } from "./headers.js";

/** `npm run fuzz -- --count 100000 --seed x`; a failure prints what repeats it: `npm run fuzz -- --seed x --first 4711 --count 1`. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "100000" },
      seed: { type: "string", default: new Date().toISOString() },
      first: { type: "string", default: "0" },
    },
  });
  const { seed } = values;
  const first = Number(values.first);
  let read = 0;
  const folder = new FuzzFolder();
  for (let i = first; i < first + Number(values.count); i++) {
    try {
      if (i % 5 === 4 ? await folder.check(seed, i) : await checkCase(fuzzCase(seed, i))) read++;
    } catch (error) {
      console.error(`failed: npm run fuzz -- --seed ${seed} --first ${i} --count 1`);
      throw error;
    }
  }
  await folder.close();
  console.log(`${values.count} mutated headers with seed ${seed}: ${read} were still valid, the others were refused with a place`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
