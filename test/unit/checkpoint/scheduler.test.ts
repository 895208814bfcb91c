import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { readFlowShift } from "../../../lib/checkpoint/scheduler.js";
import { ModelFileError, UnsupportedModelError } from "../../../lib/index.js";

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "sdcpp-scheduler-"));
  await mkdir(path.join(folder, "scheduler"));
});
after(() => rm(folder, { recursive: true, force: true }));

async function shiftOf(config: object | string): Promise<number | undefined> {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  await writeFile(path.join(folder, "scheduler", "scheduler_config.json"), text);
  return readFlowShift(folder);
}

const euler = { _class_name: "FlowMatchEulerDiscreteScheduler", num_train_timesteps: 1000 };

test("the shift of a flow model's scheduler", async () => {
  assert.equal(await readFlowShift(path.join(folder, "no such folder")), undefined);
  assert.equal(await shiftOf({ ...euler, shift: 3.0 }), 3);
  const published = { ...euler, base_image_seq_len: 256, base_shift: 0.5, max_image_seq_len: 4096, max_shift: 1.15, shift: 6 };
  assert.equal(await shiftOf({ ...published, use_dynamic_shifting: false, shift_terminal: null }), 6);
  assert.equal(await shiftOf(euler), 1, "diffusers' default");
  const solver = { _class_name: "DPMSolverMultistepScheduler", use_flow_sigmas: true, prediction_type: "flow_prediction" };
  assert.equal(await shiftOf({ ...solver, flow_shift: 2.5 }), 2.5);
});

test("a scheduler of another kind is refused, and says which member", async () => {
  const refused: [object, RegExp][] = [
    [{ _class_name: "EulerDiscreteScheduler", shift: 3 }, /EulerDiscreteScheduler.*FlowMatchEulerDiscreteScheduler/],
    [{ _class_name: "DPMSolverMultistepScheduler", flow_shift: 3 }, /DPMSolverMultistepScheduler/],
    [{ ...euler, use_dynamic_shifting: true }, /use_dynamic_shifting true, expected false/],
    [{ ...euler, use_karras_sigmas: true }, /use_karras_sigmas/],
    [{ ...euler, shift_terminal: 0.1 }, /shift_terminal 0.1, expected none/],
    [{ ...euler, prediction_type: "epsilon" }, /prediction_type/],
    [{ ...euler, shift: 0 }, /shift 0, expected a number above 0 and up to 1000/],
    [{ ...euler, shift: "3" }, /shift "3"/],
  ];
  for (const [config, message] of refused) {
    await assert.rejects(shiftOf(config), (error: Error) => {
      assert.ok(error instanceof UnsupportedModelError, error.message);
      assert.match(error.message, message);
      return true;
    });
  }
  await assert.rejects(shiftOf("[]"), ModelFileError);
  await assert.rejects(shiftOf("{"), ModelFileError);
});
