import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import sharp from "sharp";
import { readParameters } from "../../lib/index.js";
import type { RunningServer } from "../../lib/server/index.js";
import { passingEsrgan } from "../helpers/checkpoints.js";
import { pythonWith, runPython } from "../helpers/python.js";
import { assertCircle, circle, startServer } from "../helpers/server.js";

type Json = Record<string, unknown>;

const key = "sesame";
let server: RunningServer;
let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "a1111-clients-"));
  await copyFile(await passingEsrgan(4), path.join(folder, "repeats.safetensors"));
  server = await startServer({ apiKeys: [key], upscalerDir: folder });
});
after(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const bytesOf = (base64: unknown) => Buffer.from(String(base64), "base64");

interface JobView {
  status: string;
  request: Json;
  progress: { step?: number; steps?: number };
}

/** The latest job, when `check` is true of it. */
async function latest(check: (job: JobView) => boolean): Promise<JobView> {
  for (;;) {
    const answer = await fetch(`${server.url}/v1/jobs`, { headers: { authorization: `Bearer ${key}` } });
    const [job] = ((await answer.json()) as { jobs: JobView[] }).jobs;
    if (job && check(job)) return job;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("webuiapi", () => {
  const packages = ["webuiapi==0.9.17", "requests==2.32.5", "pillow==12.0.0"];
  const head = `
import base64, contextlib, io, json, sys, threading, time
import webuiapi
from PIL import Image, ImageDraw
port = int(sys.argv[1])
api = webuiapi.WebUIApi(host="127.0.0.1", port=port, username="anyone", password=sys.argv[2])
small = dict(prompt="${circle.prompt}", width=128, height=128, cfg_scale=1, steps=8)
def out(image):
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=None)
    return base64.b64encode(buffer.getvalue()).decode()
`;
  const run = async (script: string) =>
    JSON.parse(await runPython(pythonWith(...packages), head + script, String(server.port), key)) as Json;

  it("draws, with its own sampler and scheduler, and reads how", async () => {
    const told = await run(`
result = api.txt2img(seed=${circle.seed}, **small)
info = api.png_info(result.image)
print(json.dumps(dict(image=out(result.image), info=result.info, parameters=result.parameters, png=info.info)))
`);
    await assertCircle(bytesOf(told.image));
    const { seed, sampler_name: sampler, infotexts } = told.info as { seed: number; sampler_name: string; infotexts: string[] };
    assert.deepEqual([seed, sampler], [circle.seed, "Euler a"]);
    assert.match(infotexts[0] ?? "", /Sampler: euler_a/);
    assert.equal(told.png, infotexts[0]);
    assert.equal((told.parameters as Json).width, 128);
  });

  it("draws several, from a picture, in a part of one, and a larger one", async () => {
    const told = await run(`
several = api.txt2img(seed=3, sampler_name="Euler", batch_size=2, **small)
begin = several.images[0]
again = api.img2img(images=[begin], seed=3, sampler_name="Euler", denoising_strength=0.3, **small)
mask = Image.new("RGB", begin.size, "black")
ImageDraw.Draw(mask).rectangle((0, 0, 40, 40), fill="white")
part = api.img2img(images=[begin], mask_image=mask, inpaint_full_res=False, mask_blur=0, seed=4, **small)
larger = api.txt2img(enable_hr=True, hr_scale=1.5, hr_upscaler=webuiapi.HiResUpscaler.Latent, hr_second_pass_steps=2,
    denoising_strength=0.4, seed=3, sampler_name="Euler", **small)
print(json.dumps(dict(several=[out(x) for x in several.images], seeds=several.info["all_seeds"], again=out(again.image),
    part=out(part.image), larger=out(larger.image), size=larger.image.size)))
`);
    const [first, second] = told.several as string[];
    await assertCircle(bytesOf(first));
    assert.notEqual(first, second);
    assert.deepEqual(told.seeds, [3, 4]);
    await assertCircle(bytesOf(told.again));
    await assertCircle(bytesOf(told.larger));
    assert.deepEqual(told.size, [192, 192]);
    const [a, b] = await Promise.all([first, told.part].map((image) => sharp(bytesOf(image)).removeAlpha().raw().toBuffer()));
    const differs = (x: number, y: number) =>
      a?.compare(b as Buffer, (y * 128 + x) * 3, (y * 128 + x) * 3 + 3, (y * 128 + x) * 3, (y * 128 + x) * 3 + 3) !== 0;
    let outside = 0;
    for (let y = 0; y < 128; y++) for (let x = 0; x < 128; x++) if ((x > 40 || y > 40) && differs(x, y)) outside++;
    assert.equal(outside, 0);
  });

  it("watches, waits, interrupts and skips", async () => {
    const told = await run(`
results = {}
def draw(name, **more):
    results[name] = api.txt2img(**{**small, "steps": 80, "seed": 3, **more})
def drawing():
    while True:
        state = api.get_progress()
        if state["current_image"] and not state["state"]["skipped"]: return state
        time.sleep(0.05)
thread = threading.Thread(target=draw, args=("interrupted",))
thread.start()
state = drawing()
interrupted = api.interrupt()
thread.join()
api.util_wait_for_ready(check_interval=0.1)
idle = api.get_progress()
thread = threading.Thread(target=draw, args=("skipped",), kwargs=dict(n_iter=2, steps=30))
thread.start()
drawing()
api.skip()
thread.join()
print(json.dumps(dict(progress=state["progress"], steps=state["state"]["sampling_steps"], preview=state["current_image"], interrupted=interrupted,
    idle=[idle["progress"], idle["state"]["job_count"]], images=[len(results["interrupted"].images), len(results["skipped"].images)],
    infos=results["skipped"].info["infotexts"])))
`);
    assert.ok((told.progress as number) > 0 && (told.progress as number) < 1);
    assert.equal(told.steps, 80);
    assert.equal((await sharp(bytesOf(told.preview)).metadata()).format, "png");
    assert.deepEqual([told.interrupted, told.idle, told.images], [{}, [0, 0], [1, 2]]);
    const [skipped, drawn] = told.infos as string[];
    assert.match(skipped ?? "", /Unfinished/);
    assert.match(drawn ?? "", /Seed: 4,.*Engine/);
    const { jobs } = (await (await fetch(`${server.url}/v1/jobs`, { headers: { authorization: `Bearer ${key}` } })).json()) as {
      jobs: JobView[];
    };
    const canceled = jobs.find(({ status, progress }) => status === "canceled" && progress.steps === 80);
    assert.ok(canceled && (canceled.progress.step ?? 80) < 80, "the rest was never computed");
  });

  it("enlarges, lists, and chooses", async () => {
    const told = await run(
      `
picture = Image.new("RGB", (20, 12), "red")
larger = api.extra_single_image(picture, upscaler_1="repeats", upscaling_resize=4).image
plain = api.extra_single_image(picture, upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=1.5).image
batch = api.extra_batch_images([picture, picture], upscaler_1="Nearest", upscaling_resize=3).images
with contextlib.redirect_stdout(io.StringIO()): api.util_set_model("dem")
api.refresh_checkpoints()
options = api.get_options()
api.set_options(dict(options, samples_format="png"))
print(json.dumps(dict(sizes=[larger.size, plain.size, batch[1].size], color=larger.getpixel((40, 20)), model=api.util_get_current_model(),
    models=api.util_get_model_names(), samplers=api.util_get_sampler_names(), schedulers=api.util_get_scheduler_names(),
    lists=[len(x) for x in (api.get_upscalers(), api.get_latent_upscale_modes(), api.get_loras(), api.get_sd_vae(), api.get_hypernetworks(),
      api.get_face_restorers(), api.get_realesrgan_models(), api.get_prompt_styles())],
    memory=list(api.get_memory()), flags=api.get_cmd_flags()["api"], embeddings=api.get_embeddings(), scripts=api.get_scripts())))
`,
    );
    assert.deepEqual(told.sizes, [
      [80, 48],
      [30, 18],
      [60, 36],
    ]);
    const [red = 0, , blue = 0] = told.color as number[];
    assert.ok(red > blue + 150);
    assert.deepEqual([told.model, told.models], ["demo", ["demo"]]);
    assert.ok((told.samplers as string[]).includes("Euler a") && (told.schedulers as string[]).includes("karras"));
    assert.deepEqual(told.lists, [4, 6, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual([told.memory, told.flags, told.scripts], [["ram", "cuda"], true, { txt2img: [], img2img: [] }]);
  });

  it("raises its errors, with the status", async () => {
    const told = await run(`
def status(work):
    try: work()
    except RuntimeError as error: return [error.args[0], json.loads(error.args[1])["detail"]]
stranger = webuiapi.WebUIApi(host="127.0.0.1", port=port, username="anyone", password="wrong")
print(json.dumps(dict(errors=[status(lambda: api.txt2img(**{**small, "steps": 5000})), status(lambda: api.img2img(images=[], **small)),
    status(lambda: stranger.txt2img(**small))])))
`);
    const [steps, image, stranger] = told.errors as [number, string][];
    assert.deepEqual([steps?.[0], image?.[0], stranger?.[0]], [400, 404, 401]);
    assert.match(steps?.[1] ?? "", /steps/);
    assert.match(stranger?.[1] ?? "", /key/);
  });

  it("waits without a thread", async () => {
    const told = await runPython(
      pythonWith(...packages, "aiohttp==3.13.2"),
      `${head}
import asyncio
async def main():
    result = await api.txt2img(seed=${circle.seed}, use_async=True, **small)
    print(out(result.image))
asyncio.run(main())
`,
      String(server.port),
      key,
    );
    await assertCircle(bytesOf(told));
  });
});

/** What src/endpoints/stable-diffusion.js of SillyTavern (02903fdd) asks for, one function a route. */
describe("SillyTavern", () => {
  const auth = `anyone:${key}`;
  const headers = { Authorization: `Basic ${Buffer.from(auth).toString("base64")}` };
  const json = { ...headers, "Content-Type": "application/json" };
  const at = (name: string) => `${server.url}/sdapi/v1/${name}`;
  const list = async (name: string, member = "name") => {
    const result = await fetch(at(name), { headers });
    assert.ok(result.ok);
    return ((await result.json()) as Json[]).map((item) => item[member] as string);
  };
  /** generateAutoImage of public/scripts/extensions/stable-diffusion/index.js, with the whole request as SillyTavern's server hands it on. */
  const payload = {
    url: "http://localhost:7860",
    auth,
    prompt: circle.prompt,
    negative_prompt: "",
    sampler_name: "Euler",
    scheduler: "automatic",
    steps: 8,
    cfg_scale: 1,
    width: 128,
    height: 128,
    restore_faces: false,
    enable_hr: false,
    hr_upscaler: "Latent",
    hr_scale: 1,
    hr_additional_modules: [],
    denoising_strength: 0.7,
    hr_second_pass_steps: 0,
    seed: circle.seed,
    override_settings: { CLIP_stop_at_last_layers: 1 },
    override_settings_restore_afterwards: true,
    clip_skip: 1,
    save_images: true,
    send_images: true,
    do_not_save_grid: false,
    do_not_save_samples: false,
    alwayson_scripts: { ADetailer: { args: [true, true, { ad_model: "face_yolov8n.pt" }] } },
  };

  it("connects, and fills its menus", async () => {
    assert.ok((await fetch(at("options"), { headers })).ok, "ping");
    const [upscalers, latent] = await Promise.all([list("upscalers"), list("latent-upscale-modes")]);
    upscalers.splice(1, 0, ...latent);
    assert.deepEqual(upscalers.slice(0, 2), ["None", "Latent"]);
    assert.ok((await list("samplers")).includes("Euler"));
    assert.ok((await list("schedulers")).includes("sgm_uniform"));
    assert.deepEqual(await list("sd-vae", "model_name"), []);
    const models = await list("sd-models", "title");
    assert.deepEqual(models, ["demo"]);
    const set = await fetch(at("options"), { method: "POST", headers: json, body: JSON.stringify({ sd_model_checkpoint: models[0] }) });
    assert.ok(set.ok);
    const { progress, state } = (await (await fetch(at("progress"), { headers })).json()) as { progress: number; state: Json };
    assert.deepEqual([progress, state.job_count], [0, 0], "what it waits for after a change of the model");
    assert.equal(((await (await fetch(at("options"), { headers })).json()) as Json).sd_model_checkpoint, "demo");
  });

  it("draws", async () => {
    const options = (await (await fetch(at("options"), { headers })).json()) as Json;
    assert.equal("forge_preset" in options, false);
    const result = await fetch(at("txt2img"), { method: "POST", headers: json, body: JSON.stringify(payload) });
    const text = await result.text();
    assert.ok(result.ok, text);
    assert.equal(text.includes(key), false, "its key is not sent back");
    await assertCircle(bytesOf((JSON.parse(text) as { images: string[] }).images[0]));
  });

  it("breaks off", async () => {
    const controller = new AbortController();
    const body = JSON.stringify({ ...payload, steps: 90 });
    const generating = fetch(at("txt2img"), { method: "POST", headers: json, body, signal: controller.signal });
    await latest(({ status, progress }) => status === "running" && progress.steps === 90);
    const interrupting = fetch(at("interrupt"), { method: "POST", headers });
    controller.abort();
    await assert.rejects(generating, { name: "AbortError" });
    assert.ok((await interrupting).ok);
    const job = await latest(({ status }) => status !== "running");
    assert.equal(job.status, "canceled");
    assert.ok((job.progress.step ?? 90) < 90);
  });

  it("is told of an error", async () => {
    const result = await fetch(at("txt2img"), { method: "POST", headers: json, body: JSON.stringify({ ...payload, steps: 9999 }) });
    assert.equal(result.ok, false);
    assert.match(await result.text(), /steps/);
  });
});

/** The engine "automatic1111" of backend/open_webui/routers/images.py of Open WebUI (02530d50). */
describe("Open WebUI", () => {
  const authorization = `Basic ${Buffer.from(`anyone:${key}`).toString("base64")}`;
  const call = async <T = Json>(name: string, body?: Json): Promise<T> => {
    const headers = { authorization, ...(body && { "content-type": "application/json" }) };
    const answer = await fetch(`${server.url}/sdapi/v1/${name}`, {
      method: body ? "POST" : "GET",
      headers,
      ...(body && { body: JSON.stringify(body) }),
    });
    return (await answer.json()) as T;
  };

  it("connects, lists models and sets one", async () => {
    const models = (await call<Json[]>("sd-models")).map((model) => ({ id: model.title, name: model.model_name }));
    assert.deepEqual(models, [{ id: "demo", name: "demo" }]);
    const options = await call("options");
    assert.equal(options.sd_model_checkpoint, models[0]?.id);
    await call("options", { ...options, sd_model_checkpoint: "demo" });
  });

  it("draws, in tries, as it sends no seed", async () => {
    const size = { width: 128, height: 128 };
    for (let left = 3; ; left--) {
      const res = await call<{ images: string[]; info: string }>("txt2img", {
        prompt: circle.prompt,
        batch_size: 1,
        ...size,
        steps: 8,
        negative_prompt: "",
      });
      assert.ok(JSON.parse(res.info).infotexts.length === 1);
      try {
        return await assertCircle(bytesOf(res.images[0]));
      } catch (error) {
        if (left === 0) throw error;
      }
    }
  });

  it("has no images where there is an error", async () => {
    const res = await call<Json>("txt2img", { prompt: circle.prompt, batch_size: 1, width: 128, height: 128, steps: 9999 });
    assert.equal("images" in res, false);
    assert.match(String(res.detail), /steps/);
  });
});

/** The tool "stable-diffusion" of LibreChat (api/app/clients/tools/structured/StableDiffusion.js, 00b3bc32), in the demo's size. */
describe("LibreChat", () => {
  it("draws, and keeps the parameters", async () => {
    const open = await startServer(); // it sends no key
    try {
      const payload = { prompt: circle.prompt, negative_prompt: "dark, blurry", cfg_scale: 4.5, steps: 22, width: 128, height: 128 };
      for (let left = 3; ; left--) {
        const answer = await fetch(`${open.url}/sdapi/v1/txt2img`, {
          method: "POST",
          headers: { "content-type": "application/json", accept: "application/json, text/plain, */*" },
          body: JSON.stringify(payload),
        });
        const data = (await answer.json()) as { images: string[]; info: string };
        const info = JSON.parse(data.info) as { height: number; width: number; seed: number; infotexts: string[] };
        const buffer = Buffer.from(data.images[0]?.split(",", 1)[0] ?? "", "base64");
        assert.deepEqual([info.width, info.height], [128, 128]);
        assert.match(info.infotexts[0]?.split("\n").pop() ?? "", /^Steps: 22, /);
        assert.equal((await readParameters(buffer))?.seed, BigInt(info.seed));
        try {
          return await assertCircle(buffer);
        } catch (error) {
          if (left === 0) throw error;
        }
      }
    } finally {
      await open.close();
    }
  });
});
