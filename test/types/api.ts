/** Compiled, never run: the public types must allow this and refuse what follows `@ts-expect-error`. */
import {
  type Device,
  describeSystem,
  type EstimateOptions,
  estimateMemory,
  type GenerationEvent,
  type GenerationResult,
  Image,
  type ImageInput,
  InvalidOptionError,
  inspectModel,
  type ListedModel,
  listDevices,
  listModels,
  loadModel,
  type MemoryEstimate,
  type MemorySuggestion,
  type Model,
  type PullEvent,
  type PulledModel,
  pull,
  type RawImage,
  readParameters,
  SdcppError,
  type SystemReport,
} from "../../lib/index.js";

export async function usage(): Promise<void> {
  await using model: Model = await loadModel({
    diffusionModel: "a.gguf",
    clipL: "b.gguf",
    taesd: "c.gguf",
    placement: { textEncoders: "cpu" },
    signal: AbortSignal.timeout(1000),
    onProgress: ({ step, steps, eta }) => step + steps + eta,
    onLog: ({ level, text }) => level + text,
  });
  const tokens: number | undefined = (await model.countTokens("a", { t5Prompt: "b" })).t5xxl?.tokens;
  void tokens;
  const side: number = model.info.maxSide;
  await loadModel({ files: ["a.gguf", "folder"], vae: "b.gguf" });
  await loadModel({ files: "folder" });
  const { files, options, loadable, missing } = await inspectModel(["a.gguf"], { sha256: true, onProgress: ({ bytes }) => bytes });
  if (!loadable) void missing.map(({ file, repository }) => `${repository}/${file}`);
  else await loadModel({ ...options, threads: files[0]?.layout === "all-in-one" ? 1 : 2 });
  const free: number | undefined = model.memory().free.cpu;
  const wanted: EstimateOptions = { diffusionModel: "a.gguf", clipL: "b.gguf", vae: "c.gguf", width: 512, vaeTiling: true, chunks: 2 };
  const estimate: MemoryEstimate = await estimateMemory(wanted);
  const [suggestion]: MemorySuggestion[] = estimate.suggestions;
  if (!estimate.fits) await estimateMemory({ ...wanted, ...suggestion?.options });
  await loadModel({ preset: "demo", force: true });
  // @ts-expect-error steps have no influence
  await estimateMemory({ preset: "demo", steps: 4 });
  void [free, estimate.devices.cpu?.peak, estimate.parts.diffusion?.compute, suggestion?.saves];
  const run = model.generate({ prompt: "a", seed: 7n, width: side, skipLayerGuidance: { layers: [7] }, sigmas: [1, 0] });
  model.generate({ prompt: "a", seed: 7, skipLayerGuidance: true });
  const raw: RawImage = { data: new Uint8ClampedArray(3), width: 1, height: 1, channels: 3 };
  const inputs: ImageInput[] = [
    "a.png",
    Buffer.alloc(1),
    raw,
    new Image(new Uint8Array(3), 1, 1, 3),
    new Image(raw.data as Uint8Array, 1, 1, 3).toSharp(),
  ];
  for (const initImage of inputs) model.generate({ prompt: "a", initImage, strength: 0.5, fit: "contain", mask: "alpha", maskFeather: 4 });
  for await (const event of run) {
    const typed: GenerationEvent = event;
    if (typed.type === "image") await typed.image.toFile("a.png", { compressionLevel: 9 });
    else if (typed.type === "progress") typed.secondsPerStep.toFixed();
    // @ts-expect-error: only progress has a step
    else typed.step;
  }
  run.cancel("enough");
  const { images, seeds }: GenerationResult = await run;
  const promise: Promise<GenerationResult> = run;
  await promise;
  const seed: bigint | undefined = seeds[0];
  const bytes: Buffer | undefined = await images[0]?.encode("webp", { quality: 90 });
  const found = await readParameters(bytes ?? "a.png");
  // @ts-expect-error: there may be none
  found.prompt;
  await inspectModel("sd3.5-medium:q4_0");
  const report: SystemReport = await describeSystem();
  // @ts-expect-error: there may be none
  report.engine.file.length;
  const devices: Device[] = await listDevices();
  devices[0]?.memoryFree.toFixed();
  new Image(new Uint8Array(3), 1, 1, 3).toSharp().resize(2);
  await model.dispose();
  void seed;

  const pulled: PulledModel = await pull("sd3.5-medium", {
    acceptLicense: true,
    onProgress: (event: PullEvent) => (event.type === "progress" ? event.bytesPerSecond : event.file),
  });
  await loadModel({ ...pulled.files, threads: pulled.received });
  const [listed]: ListedModel[] = await listModels();
  void listed?.files[0]?.state;
  // @ts-expect-error: misspelled
  pull("sd3.5-medium", { acceptLicence: true });

  // @ts-expect-error: prompt is required
  model.generate({});
  // @ts-expect-error: unknown fit
  model.generate({ prompt: "a", initImage: "a.png", fit: "inside" });
  // @ts-expect-error: unknown option
  model.generate({ prompt: "a", cfgscale: 1 });
  // @ts-expect-error: seeds are numbers
  model.generate({ prompt: "a", seed: "7" });
  // @ts-expect-error: unknown module
  loadModel({ preset: "demo", placement: { unet: "cpu" } });
  // @ts-expect-error: misspelled sampler
  model.generate({ prompt: "a", sampler: "eulr" });
  // @ts-expect-error: misspelled scheduler
  model.generate({ prompt: "a", scheduler: "karas" });
  // @ts-expect-error: misspelled cache
  model.generate({ prompt: "a", cache: "easy-cache" });
  // @ts-expect-error: misspelled upscaler
  model.generate({ prompt: "a", hires: { upscaler: "lanczoz" } });
  // @ts-expect-error: misspelled preset
  loadModel({ preset: "sd3.5-medum" });
  // @ts-expect-error: misspelled backend
  loadModel({ preset: "demo", backend: "cuda0" });
  // @ts-expect-error: misspelled type of weights
  loadModel({ preset: "demo", weightType: "q8" });
  // @ts-expect-error: misspelled generator
  loadModel({ preset: "demo", rng: "gpu" });
  await loadModel({ preset: "sd3.5-large:q8_0", backend: "vulkan:1", placement: { vae: "cuda:0" }, weightType: "q4_k", rng: "cpu" });
  model.generate({ prompt: "a", ...model.info.defaults, sampler: "dpm++2m", scheduler: "normal" });
  const [image] = images;
  if (image)
    void [new Response(image.data), new Blob([await image.encode("png")]), new Response(await image.encode("webp")), image.toJSON().width];

  // @ts-expect-error: unknown family
  loadModel({ preset: "demo", family: "sdxl" });
  // @ts-expect-error: unknown format
  images[0]?.encode("gif");
  // @ts-expect-error: info is fixed
  model.info = { ...model.info };
}

export function describeError(error: unknown): string {
  if (error instanceof InvalidOptionError) return error.path + error.code;
  if (error instanceof SdcppError) return error.code + error.log.join();
  return String(error);
}
