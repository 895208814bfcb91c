import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import sharp from "sharp";
import { readParameters } from "../../lib/index.js";
import { Image } from "../../lib/picture/image.js";
import { Drawings } from "../../lib/server/a1111/drawing.js";
import { readSampler } from "../../lib/server/a1111/names.js";
import { fillMasked } from "../../lib/server/a1111/raw.js";
import { readRequest } from "../../lib/server/a1111/request.js";
import { AllSettings } from "../../lib/server/a1111/settings.js";
import { createCore } from "../../lib/server/core.js";
import type { RunningServer } from "../../lib/server/index.js";
import { Job } from "../../lib/server/job.js";
import { passingEsrgan } from "../helpers/checkpoints.js";
import { assertCircle, circle, post, startServer } from "../helpers/server.js";

type Json = Record<string, unknown>;

let server: RunningServer;
let folder: string;
const keys = ["first-key", "second-key"] as const;
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "a1111-"));
  await copyFile(await passingEsrgan(4), path.join(folder, "repeats.safetensors"));
  server = await startServer({ apiKeys: [...keys], upscalerDir: folder });
});
after(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** As clients of the web UI say a key: any user, the key as password. */
const basic = (key: string = keys[0]) => ({ authorization: `Basic ${Buffer.from(`user:${key}`).toString("base64")}` });

const get = (name: string, key?: string) => fetch(`${server.url}/sdapi/v1/${name}`, { headers: basic(key) });
const send = (name: string, body: Json, key?: string) => post(`${server.url}/sdapi/v1/${name}`, body, basic(key));

async function json<T = Json>(answer: Response | Promise<Response>): Promise<T> {
  const { status } = await answer;
  const text = await (await answer).text();
  assert.equal(status, 200, text);
  return JSON.parse(text) as T;
}

interface Answer {
  images: string[];
  parameters: Json;
  info: string;
}

interface Progress {
  progress: number;
  state: { job_count: number; sampling_step: number; interrupted: boolean; skipped: boolean };
  current_image: string | null;
  textinfo: string | null;
}

const bytesOf = (base64: string) => Buffer.from(base64, "base64");
const sizeOf = async (base64: string) => {
  const { width, height, format } = await sharp(bytesOf(base64)).metadata();
  return { width, height, format };
};
const small = { ...circle, width: 128, height: 128 };

/** Waits until the client's job has computed a step and shows a picture of it. */
async function untilDrawing(key?: string): Promise<Progress> {
  for (;;) {
    const state = await json<Progress>(get("progress", key));
    if (state.current_image && !state.state.skipped) return state;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("txt2img with all that webuiapi sends, nulls among it", async () => {
  const body = {
    ...small,
    enable_hr: false,
    hr_scale: 2,
    hr_upscaler: "Latent",
    hr_second_pass_steps: 0,
    hr_resize_x: 0,
    hr_resize_y: 0,
    hr_checkpoint_name: null,
    hr_sampler_name: null,
    hr_scheduler: null,
    hr_prompt: "",
    hr_negative_prompt: "",
    denoising_strength: 0.7,
    firstphase_width: 0,
    firstphase_height: 0,
    styles: [],
    subseed: -1,
    subseed_strength: 0,
    seed_resize_from_h: 0,
    seed_resize_from_w: 0,
    batch_size: 1,
    n_iter: 1,
    steps: "8",
    cfg_scale: 1,
    restore_faces: false,
    tiling: false,
    do_not_save_samples: false,
    do_not_save_grid: false,
    negative_prompt: "blur",
    eta: 1,
    s_churn: 0,
    s_tmax: 0,
    s_tmin: 0,
    s_noise: 1,
    override_settings: { CLIP_stop_at_last_layers: 1 },
    override_settings_restore_afterwards: true,
    sampler_name: "UniPC",
    scheduler: "automatic",
    sampler_index: "Euler a",
    script_name: null,
    script_args: [],
    send_images: true,
    save_images: false,
    alwayson_scripts: { ADetailer: { args: [false] } },
    something_else: { unknown: true },
    auth: "user:secret",
  };
  const { images, parameters, info } = await json<Answer>(send("txt2img", body));
  const [image = ""] = images;
  assert.equal(images.length, 1);
  await assertCircle(bytesOf(image));
  const told = JSON.parse(info);
  assert.deepEqual(
    [told.seed, told.all_seeds, told.prompt, told.all_prompts, told.negative_prompt, told.width, told.height, told.steps, told.cfg_scale],
    [3, [3], circle.prompt, [circle.prompt], "blur", 128, 128, 8, 1],
  );
  assert.equal(told.sampler_name, "Euler", "an unknown sampler is the model's own");
  assert.match(told.warnings.join(" "), /ADetailer.*UniPC/);
  assert.match(told.infotexts[0], /^a red circle[^\n]*\nNegative prompt: blur\nSteps: 8, /);
  assert.match(told.job_timestamp, /^20\d{12}$/);
  assert.equal(told.sd_model_name, "demo");
  assert.match(told.sd_model_hash, /^[0-9a-f]{10}$/);
  assert.equal((await readParameters(bytesOf(image)))?.text, told.infotexts[0]);
  assert.deepEqual([parameters.steps, parameters.sampler_name, parameters.tiling], ["8", "UniPC", false]);
  assert.equal(JSON.stringify(parameters).includes("secret"), false);
});

test("any size, none, and another format; send_images: false", async () => {
  await json(send("options", { samples_format: "webp", sd_model_checkpoint: "demo", unknown_option: 1 }, keys[1]));
  const odd = await json<Answer>(send("txt2img", { ...circle, width: 116, height: 132 }, keys[1]));
  assert.deepEqual(await sizeOf(odd.images[0] ?? ""), { width: 116, height: 132, format: "webp" });
  assert.deepEqual([JSON.parse(odd.info).width, JSON.parse(odd.info).height], [116, 132]);
  await assertCircle(bytesOf(odd.images[0] ?? ""));
  const unseen = await json<Answer>(send("txt2img", { prompt: "x", steps: 1, seed: -1, send_images: false }));
  assert.deepEqual(unseen.images, []);
  assert.ok(Number.isInteger(JSON.parse(unseen.info).seed));
  assert.equal(JSON.parse(unseen.info).width, 128, "the model's own size");
});

test("a second pass, to a factor and to a size", async () => {
  const body = { ...small, enable_hr: true, steps: 4, hr_second_pass_steps: 1, denoising_strength: 0.3 };
  const factor = await json<Answer>(send("txt2img", { ...body, hr_scale: 1.25, hr_upscaler: "Latent (nearest)" }));
  assert.deepEqual(await sizeOf(factor.images[0] ?? ""), { width: 160, height: 160, format: "png" });
  const text = JSON.parse(factor.info).infotexts[0];
  assert.match(text, /Hires resize: 160x160, Hires upscaler: latent-nearest, Hires steps: 1, Hires strength: 0.3/);
  const network = await json<Answer>(send("txt2img", { ...body, hr_resize_x: 150, hr_resize_y: 128, hr_upscaler: "repeats" }));
  assert.deepEqual(await sizeOf(network.images[0] ?? ""), { width: 150, height: 128, format: "png" });
  await assertCircle(bytesOf(network.images[0] ?? ""));
});

test("progress, skip, and interrupt, which gives what there is", async () => {
  assert.deepEqual(await json(get("progress")), {
    progress: 0,
    eta_relative: 0,
    state: {
      skipped: false,
      interrupted: false,
      stopping_generation: false,
      job: "",
      job_count: 0,
      job_timestamp: "0",
      job_no: 0,
      sampling_step: 0,
      sampling_steps: 0,
    },
    current_image: null,
    textinfo: null,
  });
  const drawing = json<Answer>(send("txt2img", { ...small, steps: 60, n_iter: 3, batch_size: 1 }));
  const state = await untilDrawing();
  assert.ok(state.progress > 0 && state.progress < 0.5, `${state.progress}`);
  assert.equal(state.state.job_count, 3);
  assert.equal((await sizeOf(state.current_image ?? "")).format, "png");
  assert.equal((await json<Progress>(get("progress?skip_current_image=true"))).current_image, null);
  assert.equal((await json<Progress>(get("progress", keys[1]))).progress, 0, "another client's work is not seen");
  await json(send("interrupt", {}, keys[1]));
  await json(send("skip", {}, keys[1]));
  assert.equal((await json<Progress>(get("progress"))).state.interrupted, false, "nor stopped by it");

  assert.equal(await json(send("skip", {})), null);
  await untilDrawing();
  assert.deepEqual(await json(send("interrupt", {})), {});
  const { images, info } = await drawing;
  assert.equal(images.length, 2, "the skipped one and the interrupted one");
  const told = JSON.parse(info);
  assert.deepEqual(told.all_seeds, [3, 4]);
  assert.match(told.infotexts[1], /Unfinished: true/);
  for (const image of images) assert.deepEqual(await sizeOf(image), { width: 128, height: 128, format: "png" });
  assert.equal((await json<Progress>(get("progress"))).state.job_count, 0);
  const { jobs } = await json<{ jobs: { status: string; progress: { step: number } }[] }>(
    fetch(`${server.url}/v1/jobs`, { headers: basic() }),
  );
  assert.deepEqual([jobs[0]?.status, jobs[1]?.status], ["canceled", "canceled"]);
  assert.ok((jobs[0]?.progress.step ?? 60) < 60);
});

test("an interrupt between a skipped picture and the next one is not lost", async () => {
  const core = createCore({ load: { threads: 1, isolate: false } });
  try {
    const drawings = new Drawings(core);
    const wish = await readRequest(core, { ...small, n_iter: 3, steps: 50 }, new AllSettings().of("me"), "txt2img");
    const drawing = drawings.draw(wish, "me", new AbortController().signal);
    let job: Job | undefined;
    while (!job?.last("preview")) {
      job = drawings.jobOf("me");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    drawings.stop("me", "skip");
    await job.settled;
    assert.equal(drawings.jobOf("me"), job, "it is not idle");
    drawings.stop("me", "interrupt");
    assert.equal((await drawing).length, 1);
    assert.equal(drawings.jobOf("me"), undefined);
  } finally {
    await core.jobs.close();
    await core.models.close();
  }
});

test("the progress of a second pass goes on from the first's", () => {
  const job = new Job("me", "generate", "demo", {});
  const fractions: number[] = [];
  for (const [phase, step, pass] of [
    ["sample", 2, 1],
    ["sample", 4, 1],
    ["upscale", 4, 2],
    ["sample", 2, 2],
    ["decode", 1, 2],
  ] as const) {
    job.publish({ type: "progress", phase, step, steps: 4, image: 0, images: 1, pass, secondsPerStep: 1, eta: 1 });
    fractions.push(job.fraction);
  }
  assert.deepEqual(fractions, [0.25, 0.5, 0.5, 0.75, 0.99]);
});

test("a client that waits in line has its place, and its own way out", async () => {
  const first = json<Answer>(send("txt2img", { ...small, steps: 100 }));
  await untilDrawing();
  const second = json<Answer>(send("txt2img", small, keys[1]));
  let state = await json<Progress>(get("progress", keys[1]));
  while (state.state.job_count === 0) state = await json<Progress>(get("progress", keys[1]));
  assert.equal(state.textinfo, "In line: place 1");
  assert.ok(state.progress > 0, "it is not idle");
  await json(send("interrupt", {}, keys[1]));
  assert.deepEqual((await second).images, []);
  await json(send("interrupt", {}));
  assert.equal((await first).images.length, 1);
});

test("a client that goes away ends its job", async () => {
  const gone = new AbortController();
  const request = fetch(`${server.url}/sdapi/v1/txt2img`, {
    method: "POST",
    body: JSON.stringify({ ...small, steps: 100 }),
    headers: { "content-type": "application/json", ...basic() },
    signal: gone.signal,
  });
  await untilDrawing();
  gone.abort();
  await assert.rejects(request);
  while ((await json<Progress>(get("progress"))).state.job_count > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const { jobs } = await json<{ jobs: { status: string; progress: { step: number } }[] }>(
    fetch(`${server.url}/v1/jobs`, { headers: basic() }),
  );
  assert.equal(jobs[0]?.status, "canceled");
  assert.ok((jobs[0]?.progress.step ?? 100) < 100);
});

/** Squares of color beside each other, and a mask that is white in the left one. */
async function pictures(width: number, height: number) {
  const half = { width: width / 2, height, channels: 3 as const };
  const canvas = { create: { width, height, channels: 3 as const, background: "#0a2ad0" } };
  const left = await sharp({ create: { ...half, background: "#20d040" } })
    .png()
    .toBuffer();
  const white = await sharp({ create: { ...half, background: "#fff" } })
    .png()
    .toBuffer();
  const image = await sharp(canvas)
    .composite([{ input: left, left: 0, top: 0 }])
    .png()
    .toBuffer();
  const black = { create: { ...canvas.create, background: "#000" } };
  const mask = await sharp(black)
    .composite([{ input: white, left: 0, top: 0 }])
    .png()
    .toBuffer();
  return { image, mask, data: `data:image/png;base64,${image.toString("base64")}` };
}

const pixels = async (bytes: Buffer) => (await sharp(bytes).removeAlpha().raw().toBuffer()) as Buffer;

/** How many pixels differ left of x, and from it on. */
async function changes(before: Buffer, after: Buffer, width: number, x: number): Promise<[number, number]> {
  const [a, b] = [await pixels(before), await pixels(after)];
  assert.equal(a.length, b.length);
  const count: [number, number] = [0, 0];
  for (let at = 0; at < a.length; at += 3) if (a.compare(b, at, at + 3, at, at + 3) !== 0) count[(at / 3) % width < x ? 0 : 1]++;
  return count;
}

test("img2img begins with the picture, the more the less is drawn anew", async () => {
  const { data, image } = await pictures(128, 128);
  const distance = async (denoising_strength: number) => {
    const { images, parameters } = await json<Answer>(send("img2img", { ...small, steps: 4, init_images: [data], denoising_strength }));
    assert.equal(parameters.init_images, null);
    const [a, b] = [await pixels(image), await pixels(bytesOf(images[0] ?? ""))];
    return a.reduce((sum, value, at) => sum + Math.abs(value - (b[at] ?? 0)), 0) / a.length;
  };
  const [weak, strong] = [await distance(0.1), await distance(1)];
  assert.ok(weak * 1.5 < strong, `${weak} ${strong}`);
});

test("a mask's white part is drawn anew, and no byte of the rest changes", async () => {
  const { data, image, mask } = await pictures(128, 128);
  const body = { ...small, steps: 2, init_images: [data], mask: mask.toString("base64"), inpaint_full_res: false, mask_blur: 2 };
  const [image1 = ""] = (await json<Answer>(send("img2img", body))).images;
  const [left, right] = await changes(image, bytesOf(image1), 128, 72);
  assert.ok(left > 4000, `${left}`);
  assert.equal(right, 0);
  const [image2 = ""] = (await json<Answer>(send("img2img", { ...body, inpainting_mask_invert: 1, inpainting_fill: 1, mask_blur: 0 })))
    .images;
  const [kept, drawn] = await changes(image, bytesOf(image2), 128, 64);
  assert.ok(drawn > 4000, `${drawn}`);
  assert.equal(kept, 0);
});

test("a mask with transparent parts is opaque where it is drawn anew", async () => {
  const { data, image, mask } = await pictures(128, 128);
  const alpha = await sharp(mask).extractChannel(0).toBuffer();
  const rgba = await sharp({ create: { width: 128, height: 128, channels: 3, background: "#000" } })
    .joinChannel(alpha)
    .png()
    .toBuffer();
  const body = { ...small, steps: 1, init_images: [data], mask: rgba.toString("base64"), inpaint_full_res: false, mask_blur: 0 };
  const [result = ""] = (await json<Answer>(send("img2img", body))).images;
  const [left, right] = await changes(image, bytesOf(result), 128, 64);
  assert.ok(left > 4000, `${left}`);
  assert.equal(right, 0);
});

test("a masked part begins with the colors around it", async () => {
  const size = { width: 120, height: 90 };
  const inside = (at: number) => Math.abs((at % 120) - 60) < 20 && Math.abs(Math.floor(at / 120) - 45) < 15;
  const image = Uint8Array.from(
    { length: 120 * 90 * 3 },
    (_, at) => (inside(Math.floor(at / 3)) ? [255, 0, 0] : [10, 60, 200])[at % 3] ?? 0,
  );
  const mask = Uint8Array.from({ length: 120 * 90 }, (_, at) => (inside(at) ? 255 : 0));
  const filled = await fillMasked(new Image(image, size.width, size.height, 3), new Image(mask, size.width, size.height, 1));
  for (let at = 0; at < 120 * 90; at++) {
    const [red = 0, green = 0, blue = 0] = filled.data.subarray(at * 3, at * 3 + 3);
    if (inside(at)) assert.ok(red < 60 && blue > 150, `${at}: ${red} ${green} ${blue}`);
    else assert.deepEqual([red, green, blue], [10, 60, 200]);
  }
});

test("only the masked part is drawn in the whole size, and put back into the picture", async () => {
  const { data, image } = await pictures(300, 200);
  const dot = await sharp({ create: { width: 60, height: 60, channels: 3, background: "#fff" } })
    .png()
    .toBuffer();
  const black = sharp({ create: { width: 300, height: 200, channels: 3, background: "#000" } });
  const mask = await black
    .composite([{ input: dot, left: 20, top: 100 }])
    .png()
    .toBuffer();
  const body = { ...small, steps: 8, denoising_strength: 1, init_images: [data], mask: mask.toString("base64"), mask_blur: 0 };
  const [result = ""] = (await json<Answer>(send("img2img", { ...body, inpaint_full_res_padding: 0 }))).images;
  assert.deepEqual(await sizeOf(result), { width: 300, height: 200, format: "png" });
  const [a, b] = [await pixels(image), await pixels(bytesOf(result))];
  const wrong: string[] = [];
  let changed = 0;
  for (let at = 0; at < a.length; at += 3) {
    const [x, y] = [(at / 3) % 300, Math.floor(at / 900)];
    const inside = x >= 20 && x < 80 && y >= 100 && y < 160;
    if (a.compare(b, at, at + 3, at, at + 3) === 0) continue;
    if (inside) changed++;
    else wrong.push(`${x},${y}`);
  }
  assert.deepEqual(wrong.slice(0, 5), []);
  assert.ok(changed > 3500, `${changed} of 3600`);
  await assertCircle(await sharp(bytesOf(result)).extract({ left: 20, top: 100, width: 60, height: 60 }).png().toBuffer());
});

test("ways to bring a picture into another size", async () => {
  const { data } = await pictures(256, 64);
  for (const resize_mode of [0, 1, 2, 3]) {
    const body = { prompt: "x", steps: 20, denoising_strength: 0, width: 112, height: 128, resize_mode, init_images: [data], seed: 1 };
    const [image = ""] = (await json<Answer>(send("img2img", body))).images;
    assert.deepEqual(await sizeOf(image), { width: 112, height: 128, format: "png" });
    const bytes = await pixels(bytesOf(image));
    const at = (x: number, y: number) => [...bytes.subarray((y * 112 + x) * 3, (y * 112 + x) * 3 + 3)] as [number, number, number];
    for (const y of [8, 64, 120]) {
      const [left, right] = [at(8, y), at(103, y)];
      assert.ok(left[1] > left[2], `mode ${resize_mode}, ${y}: the left is green, ${left}`);
      assert.ok(right[2] > right[1], `mode ${resize_mode}, ${y}: the right is blue, ${right}`);
    }
  }
});

test("lists and settings, each client's own", async () => {
  const names = async (list: string, member = "name") => (await json<Json[]>(get(list))).map((item) => item[member]);
  assert.deepEqual((await names("upscalers")).slice(0, 4), ["None", "Lanczos", "Nearest", "repeats"]);
  assert.equal((await names("latent-upscale-modes"))[0], "Latent");
  assert.ok((await names("samplers")).includes("Euler a"));
  assert.ok((await names("schedulers")).includes("automatic"));
  assert.deepEqual(await names("sd-models", "title"), ["demo"]);
  for (const list of [
    "sd-vae",
    "sd-modules",
    "loras",
    "hypernetworks",
    "face-restorers",
    "realesrgan-models",
    "prompt-styles",
    "script-info",
  ])
    assert.deepEqual(await names(list), []);
  assert.deepEqual(await json(get("scripts")), { txt2img: [], img2img: [] });
  assert.deepEqual(await json(get("embeddings")), { loaded: {}, skipped: {} });
  const { ram } = await json<{ ram: Record<string, number> }>(get("memory"));
  assert.ok((ram.total ?? 0) > (ram.used ?? 0));
  assert.equal(typeof (await json(get("cmd-flags"))).api, "boolean");

  const options = await json(get("options"));
  assert.equal(options.sd_model_checkpoint, "demo");
  await json(send("options", { ...options, samples_format: "jpg" }));
  assert.equal((await json(get("options"))).samples_format, "jpg");
  assert.notEqual((await json(get("options", keys[1]))).samples_format, "jpg");
  await json(send("options", { samples_format: "png" }));
  for (const name of ["refresh-checkpoints", "refresh-vae", "refresh-loras", "unload-checkpoint", "reload-checkpoint"])
    await json(send(name, {}));
});

test("larger pictures, and what a file says", async () => {
  const { data } = await pictures(32, 16);
  const larger = async (fields: Json) => (await json<{ image: string }>(send("extra-single-image", { image: data, ...fields }))).image;
  const look = async (image: string) => {
    const { width, height } = await sizeOf(image);
    const [left, right] = [(await pixels(bytesOf(image))).subarray(0, 3), (await pixels(bytesOf(image))).subarray(-3)];
    return { size: `${width}x${height}`, fits: (left[1] ?? 0) > 150 && (right[2] ?? 0) > 150 };
  };
  for (const [fields, size] of [
    [{ upscaler_1: "repeats", upscaling_resize: 4 }, "128x64"],
    [{ upscaler_1: "Lanczos", upscaling_resize: 2.5 }, "80x40"],
    [{ upscaler_1: "None", upscaling_resize: 4 }, "32x16"],
    [{}, "32x16"],
    [{ upscaler_1: "Nearest", resize_mode: 1, upscaling_resize_w: 60, upscaling_resize_h: 60 }, "60x60"],
    [{ upscaler_1: "Nearest", resize_mode: 1, upscaling_resize_w: 60, upscaling_resize_h: 60, upscaling_crop: false }, "120x60"],
    [{ upscaler_1: "Nearest", upscaler_2: "repeats", extras_upscaler_2_visibility: 0.5 }, "64x32"],
  ] as const) {
    assert.deepEqual(await look(await larger(fields)), { size, fits: true }, JSON.stringify(fields));
  }
  const list = [
    { data, name: "a" },
    { data, name: "b" },
  ];
  const { images } = await json<{ images: string[] }>(send("extra-batch-images", { imageList: list, upscaler_1: "Lanczos" }));
  assert.deepEqual(await Promise.all(images.map(async (image) => (await look(image)).size)), ["64x32", "64x32"]);
  const gone = await send("extra-single-image", { image: data, upscaler_1: "R-ESRGAN 4x+" });
  assert.equal(gone.status, 404);
  assert.match(JSON.stringify(await gone.json()), /no upscaler named.*repeats/);

  const text = await sharp(bytesOf(data.split(",")[1] ?? ""))
    .png()
    .withMetadata()
    .toBuffer();
  assert.deepEqual(await json(send("png-info", { image: text.toString("base64") })), { info: "", items: {}, parameters: {} });
  const [drawn = ""] = (await json<Answer>(send("txt2img", { ...small, steps: 1 }))).images;
  const told = await json<{ info: string; parameters: Json }>(send("png-info", { image: `data:image/png;base64,${drawn}` }));
  assert.match(told.info, /^a red circle/);
  assert.deepEqual([told.parameters.Prompt, told.parameters.Seed], [circle.prompt, "3"]);
});

test("errors have the web UI's shape, and say what is wrong", async () => {
  const plain = (background: string) =>
    sharp({ create: { width: 16, height: 16, channels: 3, background } })
      .png()
      .toBuffer();
  const [dot, black] = (await Promise.all([plain("#f00"), plain("#000")])).map((bytes) => bytes.toString("base64"));
  for (const [name, body, status, pattern] of [
    ["txt2img", { prompt: "x", steps: "many" }, 422, /steps: expected a number/],
    ["txt2img", { prompt: "x", steps: 0 }, 400, /steps/],
    ["txt2img", { prompt: "x", cfg_scale: 1000 }, 400, /^cfg_scale: expected/],
    ["txt2img", { prompt: "x", batch_size: 6, n_iter: 2 }, 400, /at most 10/],
    ["txt2img", { prompt: "x", width: -8 }, 422, /width: expected 1 or more/],
    ["txt2img", { prompt: "x", width: 100_000, height: 100_000 }, 400, /at most 4194304 pixels/],
    ["txt2img", { prompt: "x", override_settings: { sd_model_checkpoint: "v1-5-pruned.safetensors" } }, 404, /no model named/],
    ["txt2img", { prompt: "<lora:gone:1>" }, 404, /no LoRA named/],
    ["txt2img", { prompt: "x", script_name: "X/Y/Z plot" }, 422, /Script 'X\/Y\/Z plot' not found/],
    ["txt2img", { prompt: "x", enable_hr: true, hr_upscaler: "SwinIR 4x" }, 404, /no upscaler named/],
    ["txt2img", { prompt: "x", enable_hr: true, hr_scale: 0.5 }, 400, /hr_/],
    ["img2img", { prompt: "x" }, 404, /Init image not found/],
    ["img2img", { prompt: "x", init_images: ["AAAA"] }, 400, /init_images/],
    ["img2img", { prompt: "x", init_images: ["http://127.0.0.1/x.png"] }, 400, /not fetched/],
    ["options", { sd_model_checkpoint: "gone" }, 404, /no model named/],
    ["png-info", { image: "AAAA" }, 400, /image/],
    ["img2img", { prompt: "x", init_images: [dot], mask: black }, 400, /mask: expected white parts/],
    ["extra-batch-images", { imageList: Array(11).fill({ data: dot }) }, 400, /at most 10, received 11/],
    ["extra-single-image", { image: dot, upscaler_1: "Lanczos", upscaling_resize: 17 }, 400, /^upscaling_resize: expected/],
    ["gone", {}, 404, /nothing at this address/],
  ] as const) {
    const answer = await send(name, body);
    const error = (await answer.json()) as Record<string, string>;
    assert.equal(answer.status, status, `${JSON.stringify(body)} ${JSON.stringify(error)}`);
    assert.deepEqual(Object.keys(error), ["error", "detail", "body", "errors"]);
    assert.match(error.detail ?? "", pattern);
  }
  const refused = await fetch(`${server.url}/sdapi/v1/options`);
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get("www-authenticate") ?? "", /^Basic /);
  assert.deepEqual(Object.keys((await refused.json()) as object), ["error", "detail", "body", "errors"]);
});

test("an empty POST may have any type, as some clients send it", async () => {
  const headers = { ...basic(), "content-type": "application/octet-stream" };
  assert.equal((await fetch(`${server.url}/sdapi/v1/interrupt`, { method: "POST", headers })).status, 200);
  assert.equal((await fetch(`${server.url}/sdapi/v1/interrupt`, { method: "POST", headers, body: "x" })).status, 415);
});

test("names of samplers and schedulers, as they are written in many places", () => {
  for (const [sampler, scheduler, ...expected] of [
    ["Euler a", "", "euler_a", undefined],
    ["k_euler", "automatic", "euler", undefined],
    ["k_euler_ancestral", "Automatic", "euler_a", undefined],
    ["DPM++ 2M", "", "dpm++2m", undefined],
    ["DPM++ 2M Karras", "", "dpm++2m", "karras"],
    ["dpmpp_2m", "sgm_uniform", "dpm++2m", "sgm_uniform"],
    ["DPM++ 2S a Karras", "Automatic", "dpm++2s_a", "karras"],
    ["DPM++ 2M Karras", "SGM Uniform", "dpm++2m", "sgm_uniform"],
    ["LCM", "Simple", "lcm", "simple"],
    ["euler", "KL Optimal", "euler", "kl_optimal"],
    ["", "", undefined, undefined],
  ] as const) {
    const read = readSampler(sampler, scheduler);
    assert.deepEqual([read.sampler, read.scheduler, read.warnings], [...expected, []], `${sampler}, ${scheduler}`);
  }
  for (const [sampler, scheduler, pattern] of [
    ["DPM++ SDE Karras", "", /no sampler "DPM\+\+ SDE Karras"/],
    ["Euler", "polyexponential", /no scheduler "polyexponential"/],
    ["constructor", "", /no sampler/],
  ] as const) {
    const read = readSampler(sampler, scheduler);
    assert.match(read.warnings.join(" "), pattern);
    assert.equal(read.scheduler, undefined);
  }
});
