import assert from "node:assert/strict";
import { chmod, copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { loadModel, type Model, type ModelFiles, SdcppError } from "../../lib/index.js";
import { clipL, largeShaped, taesd3 } from "../helpers/checkpoints.js";
import { type Defect, makeDefects, withoutPermission } from "../helpers/defects.js";
import { drawHash, loadSmall } from "../helpers/runs.js";

/** The defects that `loadModel` must name; test/helpers/defects.ts makes them. */
const names = [
  "truncated in the magic number",
  "truncated in the counts",
  "truncated in the metadata",
  "truncated in the list of tensors",
  "truncated in the weights",
  "truncated at the end",
  "zero-length",
  "directory",
  "wrong magic",
  "wrong version",
  "wrong byte order",
  "huge count of tensors",
  "huge count of metadata",
  "huge length of a text",
  "a dimension of zero",
  "overlapping tensors",
  "missing tensor",
  "wrong shape",
  "diffusers names",
  "other family",
  "a LoRA as model",
  "a ControlNet as model",
  "swapped encoders",
];

let folder: string;
let defects: Map<string, Defect>;
let model: Model;
let reference: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-defects-"));
  await chmod(folder, 0o755); // for the user who may not read one file in it
  const made = await makeDefects(folder);
  assert.deepEqual(
    made.map(({ name }) => name),
    names,
  );
  defects = new Map(made.map((defect) => [defect.name, defect]));
  model = await loadSmall();
  reference = await drawHash(model, { steps: 1 });
});
after(async () => {
  await model.dispose();
  await rm(folder, { recursive: true, force: true });
});

async function unharmed(): Promise<void> {
  assert.equal(await drawHash(model, { steps: 1 }), reference, "the model that was loaded before draws the same bytes");
}

for (const name of names) {
  test(name, async () => {
    const { files, code, message, offset } = defects.get(name) as Defect;
    await assert.rejects(loadModel({ ...files, threads: 1 }), (error) => {
      assert.ok(error instanceof SdcppError && error.code === code, String(error));
      assert.match(error.message, message);
      if (offset !== undefined) assert.equal((error as { offset?: number }).offset, offset);
      assert.deepEqual(error.log, [], "the engine has not seen it");
      return true;
    });
    await unharmed();
  });
}

test("no permission", async (t) => {
  const file = path.join(folder, "secret.gguf");
  await copyFile(await largeShaped(), file);
  const files: ModelFiles = { diffusionModel: file, clipL: await clipL(), taesd: await taesd3() };
  const error = await withoutPermission(file, () =>
    loadModel({ ...files, threads: 1 }).then(
      () => "it loaded",
      (reason) => reason,
    ),
  );
  if (error === undefined) return t.skip("this system has no file that this user may not read");
  assert.ok(error instanceof SdcppError && error.code === "ERR_MODEL_FILE", String(error));
  assert.match(error.message, /^diffusionModel: .*secret.gguf cannot be read \(EACCES\)$/);
  await unharmed();
});

test("the files that the defects were made of load", async () => {
  await using again = await loadSmall();
  assert.equal(await drawHash(again, { steps: 1 }), reference);
});
