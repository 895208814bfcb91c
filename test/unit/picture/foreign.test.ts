import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { readParameters } from "../../../lib/picture/parameters.js";

/** A PNG of one pixel with chunks behind its header. */
async function png(...chunks: [type: string, data: Buffer | string][]): Promise<Buffer> {
  const plain = await sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  const made = chunks.map(([type, data]) => {
    const body = Buffer.concat([Buffer.from(type), Buffer.from(data)]);
    const chunk = Buffer.alloc(body.length + 8);
    chunk.writeUInt32BE(body.length - 4, 0);
    body.copy(chunk, 4);
    chunk.writeUInt32BE(crc32(body), body.length + 4);
    return chunk;
  });
  return Buffer.concat([plain.subarray(0, 33), ...made, plain.subarray(33)]);
}
const parameters = (text: string | Buffer): [string, Buffer] => ["tEXt", Buffer.concat([Buffer.from("parameters\0"), Buffer.from(text)])];
const read = async (...chunks: [string, Buffer | string][]) => {
  const found = await readParameters(await png(...chunks));
  assert.ok(found);
  const { fields: _, raw: __, text: ___, ...rest } = found;
  return rest;
};

describe("texts of other tools", () => {
  it("reads UTF-8 in a chunk that should be Latin-1, and Latin-1 where it is that", async () => {
    const text = "Zürich, 東京\nSteps: 20, Seed: 5";
    assert.equal((await read(parameters(text))).prompt, "Zürich, 東京");
    assert.equal((await read(parameters(Buffer.from("Zürich\nSteps: 20", "latin1")))).prompt, "Zürich");
    const packed = Buffer.concat([Buffer.from("parameters\0\0"), deflateSync(Buffer.from(text))]);
    assert.equal((await read(["zTXt", packed])).prompt, "Zürich, 東京");
  });

  it("reads CRLF, and lines behind the fields, as what they are", async () => {
    const found = await read(
      parameters("a cat\r\nin a hat\r\nNegative prompt: dog\r\nSteps: 20, Sampler: Euler, Seed: 5\r\nTemplate: Steps, Seed: 9\r\n"),
    );
    assert.deepEqual(found, { prompt: "a cat\nin a hat", negativePrompt: "dog", steps: 20, sampler: "Euler", seed: 5n });
    const own = await readParameters(await png(parameters("a\r\nb\nSteps: 20, Seed: 5")));
    assert.equal(own?.prompt, "a\r\nb", "a prompt of ours with CRLF in it stays");
  });

  it("lets no field's value become another field", async () => {
    const civitai = '[{"type":"lora","name":"x: y, Seed: 1, Steps: 2","weight":0.7},{"a":["]"]}]';
    const line = `Steps: 20, Sampler: DPM++ 2M, Seed: 5, Model: my model, v2, Civitai resources: ${civitai}, Lora hashes: "a: b, Seed: 8", Note: it is 5: late, Size: 64x128, Seed: 77`;
    const found = await readParameters(await png(parameters(`cat\n${line}`)));
    assert.equal(found?.seed, 5n);
    assert.equal(found?.steps, 20);
    assert.equal(found?.model, "my model, v2");
    assert.deepEqual([found?.width, found?.height], [64, 128]);
    assert.equal(found?.fields["Civitai resources"], civitai);
    assert.equal(found?.fields["Lora hashes"], "a: b, Seed: 8");
    assert.equal(found?.raw?.parameters, `cat\n${line}`);
  });

  it("reads SwarmUI's JSON", async () => {
    const json = {
      sui_image_params: {
        prompt: "cat",
        negativeprompt: "dog",
        model: "sd35",
        seed: 17,
        steps: 28,
        cfgscale: 4.5,
        width: 1024,
        height: 768,
        sampler: "euler",
        scheduler: "normal",
        sigmashift: 3,
        swarm_version: "0.9.5",
      },
      sui_extra_data: { date: "2026-01-01" },
    };
    assert.deepEqual(await read(parameters(JSON.stringify(json, undefined, 2))), {
      prompt: "cat",
      negativePrompt: "dog",
      steps: 28,
      sampler: "euler",
      scheduler: "normal",
      cfgScale: 4.5,
      seed: 17n,
      width: 1024,
      height: 768,
      flowShift: 3,
      model: "sd35",
      version: "0.9.5",
    });
  });

  it("reads Fooocus's JSON, with a size in a text and a seed in a text", async () => {
    const json = {
      prompt: "cat",
      negative_prompt: "",
      resolution: "(896, 1152)",
      guidance_scale: 4,
      seed: "9007199254740993",
      sampler: "dpmpp_2m",
      steps: 30,
      base_model: "m",
      version: "Fooocus v2.5",
    };
    const found = await read(parameters(JSON.stringify(json)));
    assert.deepEqual([found.width, found.height, found.cfgScale, found.seed, found.model], [896, 1152, 4, 9007199254740993n, "m"]);
  });

  it("takes a number that JSON could not hold for no seed", async () => {
    assert.equal((await read(parameters('{"prompt":"cat","seed":9007199254740993}'))).seed, undefined);
  });

  it("reads ComfyUI's graph: a KSampler with texts behind links", async () => {
    const graph = {
      3: {
        class_type: "KSampler",
        inputs: {
          seed: 42,
          steps: 28,
          cfg: 4.5,
          sampler_name: "dpmpp_2m",
          scheduler: "sgm_uniform",
          denoise: 1,
          model: ["13", 0],
          positive: ["16", 0],
          negative: ["69", 0],
          latent_image: ["5", 0],
        },
      },
      4: { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: "sd3.5_large.safetensors" } },
      5: { class_type: "EmptySD3LatentImage", inputs: { width: 1024, height: ["20", 0], batch_size: 1 } },
      13: { class_type: "ModelSamplingSD3", inputs: { shift: 3, model: ["4", 0] } },
      16: { class_type: "CLIPTextEncode", inputs: { text: ["19", 0], clip: ["4", 1] } },
      19: { class_type: "PrimitiveString", inputs: { value: "a cat" } },
      20: { class_type: "PrimitiveInt", inputs: { value: 512 } },
      69: { class_type: "ConditioningSetTimestepRange", inputs: { conditioning: ["71", 0], start: 0, end: 0.1 } },
      71: { class_type: "CLIPTextEncode", inputs: { text: "blurry", clip: ["4", 1] } },
    };
    const workflow = "{}";
    const found = await read(["tEXt", `prompt\0${JSON.stringify(graph)}`], ["tEXt", `workflow\0${workflow}`]);
    assert.deepEqual(found, {
      prompt: "a cat",
      negativePrompt: "blurry",
      steps: 28,
      sampler: "dpmpp_2m",
      scheduler: "sgm_uniform",
      cfgScale: 4.5,
      seed: 42n,
      width: 1024,
      height: 512,
      flowShift: 3,
      model: "sd3.5_large.safetensors",
    });
  });

  it("reads ComfyUI's graph: SamplerCustomAdvanced with triple texts", async () => {
    const graph = {
      1: {
        class_type: "SamplerCustomAdvanced",
        inputs: { noise: ["2", 0], guider: ["3", 0], sampler: ["4", 0], sigmas: ["5", 0], latent_image: ["6", 0] },
      },
      2: { class_type: "RandomNoise", inputs: { noise_seed: 7 } },
      3: { class_type: "CFGGuider", inputs: { cfg: 5, model: ["8", 0], positive: ["7", 0], negative: ["9", 0] } },
      4: { class_type: "KSamplerSelect", inputs: { sampler_name: "euler" } },
      5: { class_type: "BasicScheduler", inputs: { scheduler: "normal", steps: 20, denoise: 0.6, model: ["8", 0] } },
      6: { class_type: "VAEEncode", inputs: { pixels: ["10", 0] } },
      7: { class_type: "CLIPTextEncodeSD3", inputs: { clip_l: "short", clip_g: "short", t5xxl: "a long text" } },
      8: { class_type: "UNETLoader", inputs: { unet_name: "sd35.safetensors" } },
      9: { class_type: "CLIPTextEncode", inputs: { text: "" } },
      10: { class_type: "LoadImage", inputs: { image: "in.png" } },
    };
    const found = await read(["tEXt", `prompt\0${JSON.stringify(graph)}`]);
    const wanted = {
      prompt: "short",
      t5Prompt: "a long text",
      negativePrompt: "",
      steps: 20,
      sampler: "euler",
      scheduler: "normal",
      cfgScale: 5,
      seed: 7n,
      strength: 0.6,
      model: "sd35.safetensors",
    };
    assert.deepEqual(found, wanted);
  });

  it("ends on graphs that are circles or no graphs", async () => {
    const circle = {
      1: {
        class_type: "KSampler",
        inputs: { steps: ["1", 0], seed: ["2", 0], positive: ["2", 0], latent_image: ["2", 0], model: ["2", 0] },
      },
      2: { class_type: "X", inputs: { value: ["2", 0], conditioning: ["2", 0], samples: ["2", 0], model: ["2", 0] } },
    };
    assert.deepEqual(await read(["tEXt", `prompt\0${JSON.stringify(circle)}`]), { prompt: "", negativePrompt: "" });
    assert.deepEqual(await read(["tEXt", 'prompt\0{"1":null,"2":{"class_type":5}}']), { prompt: "", negativePrompt: "" });
  });

  it("goes through links that join again and again once each", async () => {
    const chain: Record<string, unknown> = {
      s: { class_type: "KSampler", inputs: { steps: 4, latent_image: ["s", 0], positive: ["0", 0], negative: ["0", 0] } },
    };
    for (let i = 0; i < 2000; i++) {
      const next = [String(i + 1), 0];
      chain[i] = { class_type: "ControlNetApplyAdvanced", inputs: { positive: next, negative: next, conditioning: next } };
    }
    chain[2000] = { class_type: "CLIPTextEncode", inputs: { text: "far away" } };
    const found = await read(["tEXt", `prompt\0${JSON.stringify(chain)}`]);
    assert.deepEqual(found, { prompt: "far away", negativePrompt: "far away", steps: 4 });
  });

  it("reads what is right beside what is damaged, and no more than describes a picture", async () => {
    const good = parameters("cat\nSteps: 20, Seed: 5");
    assert.equal((await read(good, ["zTXt", "Comment\0\0garbage"])).seed, 5n);
    assert.equal((await read(["iTXt", "parameters\0\0"], good)).seed, 5n);
    const bomb = deflateSync(Buffer.alloc(30 << 20, 97));
    const many = Array.from({ length: 60 }, (_, i): [string, Buffer] => ["zTXt", Buffer.concat([Buffer.from(`k${i}\0\0`), bomb])]);
    const found = await readParameters(await png(...many, good));
    const kept = Object.values(found?.raw ?? {}).reduce((sum, text) => sum + text.length, 0);
    assert.ok(kept < 40 << 20, `${kept} characters`);
  });

  it("reads JSON and both byte orders in EXIF", async () => {
    const jpeg = (comment: Buffer) =>
      sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } })
        .withExif({ IFD2: { UserComment: "x".repeat(comment.length - 8) } })
        .jpeg()
        .toBuffer()
        .then((bytes) => {
          const at = bytes.indexOf("ASCII\0\0\0xxx");
          assert.ok(at > 0);
          comment.copy(bytes, at);
          return bytes;
        });
    const utf16 = (text: string, swap: boolean) => {
      const body = Buffer.from(text, "utf16le");
      return Buffer.concat([Buffer.from("UNICODE\0"), swap ? body.swap16() : body]);
    };
    for (const swap of [true, false]) {
      const found = await readParameters(await jpeg(utf16("東京の猫\nSteps: 20, Sampler: Euler, Seed: 5, Size: 64x64", swap)));
      assert.equal(found?.prompt, "東京の猫");
      assert.equal(found?.seed, 5n);
    }
    const json = await readParameters(
      await jpeg(Buffer.from(`ASCII\0\0\0${JSON.stringify({ sui_image_params: { prompt: "cat", seed: 3 } })}`)),
    );
    assert.deepEqual([json?.prompt, json?.seed], ["cat", 3n]);
  });

  it("is null for files whose texts describe no picture", async () => {
    assert.equal(await readParameters(await png(["tEXt", "Software\0GIMP"], ["tEXt", "Comment\0Created with GIMP"])), null);
    assert.equal(await readParameters(await png(["tEXt", 'Comment\0{"a":1}'])), null);
  });

  it("becomes JSON, seeds as decimal strings", async () => {
    const found = await readParameters(await png(parameters("a\nSteps: 20, Seed: 9007199254740993")));
    assert.equal(JSON.parse(JSON.stringify(found)).seed, "9007199254740993");
  });
});
