import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { InsufficientMemoryError } from "../../../lib/errors.js";
import type { Model } from "../../../lib/model.js";
import { Models, type ServedModel } from "../../../lib/server/models.js";
import { checkHandlerOptions, type HandlerOptions } from "../../../lib/server/options.js";

const served = (id: string) => ({ id, aliases: [], defaults: {}, created: 0, files: { preset: id } }) as unknown as ServedModel;
const { signal } = new AbortController();

/** Models of which so many fit into memory; `inside` are those that are there, `log` what was done. */
function make(room: number, options: HandlerOptions = {}) {
  const inside = new Set<string>();
  const log: string[] = [];
  const load = async ({ preset = "" }: { preset?: string } = {}) => {
    log.push(`load ${preset}`);
    if (inside.size >= room) throw new InsufficientMemoryError(`${preset} does not fit.`);
    inside.add(preset);
    return {
      dispose: async () => {
        log.push(`dispose ${preset}`);
        inside.delete(preset);
      },
    } as unknown as Model;
  };
  return { models: new Models(checkHandlerOptions(options), load as never), inside, log };
}

test("a model that does not fit beside idle ones takes the place of that which was used longest ago", async () => {
  const { models, inside, log } = make(2);
  for (const id of ["a", "b", "a"]) {
    await models.use(served(id), { signal }, async () => {});
    await sleep(2);
  }
  await models.use(served("c"), { signal }, async () => {});
  assert.deepEqual([...inside], ["a", "c"]);
  assert.deepEqual(log, ["load a", "load b", "load c", "dispose b", "load c"]);
  await models.close();
  assert.equal(inside.size, 0);
});

test("a model in use is never unloaded: what does not fit beside it is refused", async () => {
  const { models, inside } = make(1);
  await models.use(served("a"), { signal }, async () => {
    await assert.rejects(
      models.use(served("b"), { signal }, async () => {}),
      InsufficientMemoryError,
    );
    assert.deepEqual(await models.unload(), []);
    assert.deepEqual([...inside], ["a"]);
  });
  await models.use(served("b"), { signal }, async () => {});
  assert.deepEqual([...inside], ["b"]);
  await models.close();
});

test("a load that fails is tried anew by the next who asks", async () => {
  const { models, log } = make(0);
  for (let i = 0; i < 2; i++)
    await assert.rejects(
      models.use(served("a"), { signal }, async () => {}),
      InsufficientMemoryError,
    );
  assert.deepEqual(log, ["load a", "load a"]);
});

test("an idle model is unloaded after its time, and loaded again", async () => {
  const { models, inside, log } = make(1, { idleSeconds: 1 });
  await models.use(served("a"), { signal }, async () => {});
  while (inside.size > 0) await sleep(20);
  await models.use(served("a"), { signal }, async () => {});
  assert.deepEqual(log, ["load a", "dispose a", "load a"]);
  await models.close();
});
