import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { packageRoot } from "../../lib/engine/binding.js";
import { random, saveLora, tensor } from "../helpers/adapters.js";
import { clipL, largeShaped, taesd3 } from "../helpers/checkpoints.js";

/** Children load the compiled package, as users do. */
const script = path.join(packageRoot, "build", `lora-stdout-${process.pid}.cjs`);

/** Draws with the LoRA in each mode; tells on stderr how many log events of its own there were, and what they said. */
const body = (options: object, loras: string[]) => `
const { loadModel } = require(${JSON.stringify(packageRoot)});
(async () => {
  const notes = [];
  for (const mode of ["immediately", "at_runtime"]) {
    const model = await loadModel({ ...${JSON.stringify(options)}, loraApplyMode: mode });
    for (const file of ${JSON.stringify(loras)}) {
      const run = model.generate({ prompt: "x", width: 64, height: 64, steps: 1, cfgScale: 1, seed: 1, loras: [{ path: file }] });
      const mine = [];
      for await (const event of run) if (event.type === "log" && event.level === "warn") mine.push(event.text);
      notes.push(mine);
    }
    await model.dispose();
  }
  process.stderr.write("notes " + JSON.stringify(notes) + "\\n");
})().catch((error) => process.stderr.write("failed " + error.stack + "\\n"));
`;

before(async () => {
  const pair = (module: string, inputs: number, outputs: number) => ({
    [`${module}.lora_down.weight`]: tensor(random(`${module} down`, 2, inputs, 0.1)),
    [`${module}.lora_up.weight`]: tensor(random(`${module} up`, outputs, 2, 0.1)),
  });
  const unknown = await saveLora("with-unknown", {
    ...pair("lora_unet_joint_blocks_0_x_block_attn_proj", 24, 24),
    ...pair("lora_unet_joint_blocks_90_x_block_attn_proj", 24, 24),
    ...pair("lora_unet_double_blocks_0_img_attn_proj", 24, 24),
  });
  const encoders = await saveLora("with-t5", {
    ...pair("lora_te1_text_model_encoder_layers_0_mlp_fc1", 768, 3072),
    ...pair("lora_te3_encoder_block_0_layer_0_SelfAttention_q", 4096, 4096),
  });
  const alone = await saveLora("t5-alone", pair("lora_te3_encoder_block_0_layer_0_SelfAttention_q", 4096, 4096));
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), taesd: await taesd3(), threads: 1 };
  await writeFile(script, body(files, [unknown, encoders, alone]));
});
after(() => rm(script, { force: true }));

/** @param stdout "ignore" gives it /dev/null; "closed" a pipe that nobody reads */
function runChild(stdout: "pipe" | "closed"): Promise<{ stdout: number; stderr: string; code: number | null }> {
  return new Promise((resolve, reject) => {
    const command = stdout === "closed" ? ["bash", "-c", 'exec "$0" "$1" >&-', process.execPath, script] : [process.execPath, script];
    const child = spawn(command[0] as string, command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    let bytes = 0;
    let stderr = "";
    child.stdout.on("data", (data) => {
      bytes += data.length;
    });
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ stdout: bytes, stderr, code }));
  });
}

for (const kind of ["pipe", "closed"] as const) {
  test(`tensors of a LoRA without a place are one log event each, and nothing on stdout (${kind})`, {
    skip: kind === "closed" && process.platform === "win32" && "closes it by bash",
  }, async () => {
    const { stdout, stderr, code } = await runChild(kind);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 0, "bytes on stdout");
    const notes: string[][] = JSON.parse(/^notes (.*)$/m.exec(stderr)?.[1] ?? "[]");
    assert.equal(notes.length, 6, stderr);
    for (const [unknown = [], encoders = [], alone = []] of [notes.slice(0, 3), notes.slice(3)]) {
      assert.equal(unknown.length, 1, unknown.join("\n"));
      assert.match(unknown[0] ?? "", /4 tensors are passed over, as this model has no place for them: .*double_blocks_0.*joint_blocks_90/);
      for (const said of [encoders, alone]) {
        assert.equal(said.length, 1, said.join("\n"));
        assert.match(said[0] ?? "", /2 tensors are passed over, as they change T5-XXL, which is not loaded/);
      }
    }
  });
}
