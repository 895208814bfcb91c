import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type GenerationEvent, InvalidOptionError, loadModel, type Model, type Preview, type PreviewEvent } from "../../lib/index.js";
import { clipL, largeShaped, taesd3, vae } from "../helpers/checkpoints.js";
import { center, edge, meanColor, meanDifference, nearestColor, pictureHash } from "../helpers/pixels.js";
import { collect, loadSmall, quick } from "../helpers/runs.js";

let demo: Model;
before(async () => {
  demo = await loadModel({ preset: "demo", threads: 1 });
});
after(() => demo.dispose());

const drawing = { prompt: "a red circle on a blue background", seed: 3 };
const previewsOf = (events: GenerationEvent[]) => events.filter((event): event is PreviewEvent => event.type === "preview");

async function draw(model: Model, options: object, preview?: boolean | Preview) {
  const run = model.generate({ ...drawing, ...options, preview });
  const { events, error } = await collect(run);
  assert.equal(error, undefined);
  const [image] = (await run).images;
  assert.ok(image);
  return { image, previews: previewsOf(events), events };
}

test("taesd: in full size, ever more like the picture, whose bytes they do not change", async () => {
  const { image: reference, previews: none } = await draw(demo, {});
  assert.equal(none.length, 0);
  const { image, previews } = await draw(demo, {}, { mode: "taesd" });
  assert.equal(pictureHash(image), pictureHash(reference));
  assert.deepEqual(
    previews.map(({ image, step, pass, preview }) => [image, step, pass, preview.width, preview.height, preview.channels]),
    [1, 2, 3, 4, 5, 6, 7, 8].map((step) => [0, step, undefined, 128, 128, 3]),
  );
  const distances = previews.map(({ preview }) => meanDifference(preview, image));
  assert.ok((distances[0] ?? 0) > 3 * (distances[6] ?? 0), `distances ${distances}`);
  assert.ok((distances[7] ?? 9) < 1, `distances ${distances}`);
  const last = previews[6]?.preview;
  assert.ok(last);
  assert.deepEqual([nearestColor(last, center), nearestColor(last, edge)], ["red", "blue"]);
});

test("latent: 1/8 of the size, with the picture's shape", async () => {
  const { image: reference } = await draw(demo, {});
  const { image, previews } = await draw(demo, {}, true);
  assert.equal(pictureHash(image), pictureHash(reference));
  assert.equal(previews.length, 8);
  const last = previews[7]?.preview;
  assert.deepEqual([last?.width, last?.height], [16, 16]);
  assert.ok(last);
  const [shape, background] = [meanColor(last, center), meanColor(last, edge)];
  const contrast = Math.hypot(...shape.map((value, channel) => value - (background[channel] ?? 0)));
  assert.ok(contrast > 40, `shape ${shape}, background ${background}`);
});

test("every: one in so many steps; in order before the step's progress; two-evaluation samplers too", async () => {
  for (const sampler of ["euler", "heun"]) {
    const { previews, events } = await draw(demo, { steps: 7, sampler, batchCount: 2 }, { every: 3 });
    assert.deepEqual(
      previews.map(({ image, step }) => [image, step]),
      [
        [0, 3],
        [0, 6],
        [1, 3],
        [1, 6],
      ],
      sampler,
    );
    const first = events.findIndex(({ type }) => type === "preview");
    const next = events.slice(first).find((event) => event.type === "progress");
    assert.equal(next?.type === "progress" && next.step, 3);
  }
});

test("runs of two models: each gets its own previews, and the next run none", async () => {
  await using other = await loadSmall();
  const [withPreviews, without, last] = await Promise.all([
    draw(demo, { steps: 3 }, { mode: "taesd" }),
    draw(other, quick),
    draw(other, quick, { every: 2 }),
  ]);
  assert.deepEqual(
    withPreviews.previews.map(({ preview }) => preview.width),
    [128, 128, 128],
  );
  assert.equal(without.previews.length, 0);
  assert.deepEqual(
    last.previews.map(({ step, preview }) => [step, preview.width]),
    [[2, 8]],
  );
});

test("what makes previews depends on the parts; a wrong mode names those that can", async () => {
  const files = { diffusionModel: await largeShaped("f16"), clipL: await clipL(), threads: 1 };
  const refused = (message: RegExp) => (error: unknown) =>
    error instanceof InvalidOptionError && error.path === "preview.mode" && message.test(error.message);
  await assert.rejects(demo.generate({ ...drawing, preview: { mode: "vae" } }), refused(/"latent" or "taesd"/));

  await using withVae = await loadModel({ ...files, vae: await vae() });
  await assert.rejects(withVae.generate({ ...quick, preview: { mode: "taesd" } }), refused(/"latent" or "vae".*taesdPreviewOnly/));
  const { image, previews } = await draw(withVae, quick, { mode: "vae", every: 2 });
  assert.equal(previews.length, 1);
  assert.ok(previews[0] && meanDifference(previews[0].preview, image) < 1);

  await using both = await loadModel({ ...files, vae: await vae(), taesd: await taesd3(), taesdPreviewOnly: true });
  assert.ok(both.info.parts.vae && both.info.parts.taesd);
  const drawn = await draw(both, quick, { mode: "taesd" });
  assert.equal(pictureHash(drawn.image), pictureHash(image), "the VAE makes the picture");
  assert.ok(drawn.previews[1] && meanDifference(drawn.previews[1].preview, image) > 5, "TAESD makes the previews");
  await assert.rejects(both.generate({ ...quick, preview: { mode: "vae" } }), refused(/"latent" or "taesd"/));

  await assert.rejects(loadModel({ ...files, vae: await vae(), taesdPreviewOnly: true }), {
    name: "InvalidOptionError",
    path: "taesdPreviewOnly",
  });
  await assert.rejects(loadModel({ ...files, taesd: await taesd3(), taesdPreviewOnly: true }), { code: "ERR_MISSING_COMPONENT" });
});

test("previews that nobody reads do not pile up", async () => {
  const run = demo.generate({ ...drawing, steps: 20, preview: true });
  await run;
  const { events } = await collect(run);
  assert.deepEqual(
    previewsOf(events).map(({ step }) => step),
    [13, 14, 15, 16, 17, 18, 19, 20],
  );
});
