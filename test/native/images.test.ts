import assert from "node:assert/strict";
import { test } from "node:test";
import { native } from "../../lib/engine/binding.js";
import { clipL, largeShaped, taesd3 } from "../helpers/checkpoints.js";

test("native code refuses pictures that do not fit the run, whatever JavaScript says", async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3() };
  const model = await native().load({ ...files, threads: 1 }, () => {}).promise;
  const picture = (width: number, height: number, channels: number) => {
    return { data: new Uint8Array(width * height * channels), width, height, channels };
  };
  const refuse = (params: object, message: RegExp) =>
    assert.throws(() => model.generate({ prompt: "a", width: 64, height: 48, ...params }, () => {}), {
      code: "ERR_INVALID_OPTION",
      message,
    });
  const [initImage, mask] = [picture(64, 48, 3), picture(64, 48, 1)];
  refuse({ initImage: picture(48, 64, 3) }, /^initImage: expected 64x48 pixels/);
  refuse({ initImage, mask: picture(64, 64, 1) }, /^mask: expected 64x48 pixels/);
  refuse({ mask }, /^mask: expected initImage too/);
  refuse({ initImage, mask, maskFeather: -1 }, /^maskFeather/);
  refuse({ initImage, strength: 1.5 }, /^strength/);
  await model.dispose();
});
