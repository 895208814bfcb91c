import { type PartId, parts, weightsOf } from "./models.js";

/** Prints the tensors of each part, from which reference.py makes the same weights: `{ part: [[name, shape, mean, std], …] }`. */
const all = Object.keys(parts).map((part) => [
  part,
  weightsOf(part as PartId).map(({ name, shape, mean, std }) => [name, shape, mean, std]),
]);
process.stdout.write(JSON.stringify(Object.fromEntries(all)));
