import { DisposedError, type GenerateOptions, Image, type Model, SdcppError, type Upscaler } from "../lib/index.js";
import { fileOf } from "../test/helpers/checkpoints.js";
import { kohyaLora } from "../test/helpers/loras.js";
import { RandomBytes } from "../test/helpers/random.js";

/** What the soak does, drawn from a seed: how often each thing was done. */
export type Counts = Record<"pictures" | "canceled" | "disposed" | "refused" | "failed" | "enlarged" | "reloaded", number>;

const words = ["a", "red", "(blue:1.3)", "circle", "on", "[green]", "square", "of", "light", "star", "above", "below", "with", "BREAK"];
const flat = (width: number, height: number, channels: 1 | 3 | 4) =>
  new Image(new Uint8Array(width * height * channels).fill(120), width, height, channels);
const half = (width: number, height: number) =>
  new Image(new Uint8Array(width * height).fill(255, 0, (width * height) / 2), width, height, 1);

export class Jobs {
  readonly counts: Counts = { pictures: 0, canceled: 0, disposed: 0, refused: 0, failed: 0, enlarged: 0, reloaded: 0 };
  readonly #bytes: RandomBytes;

  constructor(seed: string) {
    this.#bytes = new RandomBytes(seed);
  }

  /** 0 to below - 1. */
  pick(below: number): number {
    const [high = 0, low = 0] = this.#bytes.next(2);
    return (high * 256 + low) % below;
  }

  of<T>(list: readonly T[]): T {
    return list[this.pick(list.length)] as T;
  }

  /** A valid run, canceled in one of four cases. */
  async draw(model: Model, lora: boolean): Promise<void> {
    const run = model.generate(await this.#options(lora));
    const stop = this.pick(4) === 0 ? setTimeout(() => run.cancel("enough"), this.pick(1500)) : undefined;
    try {
      for await (const event of run) if (event.type === "image") this.counts.pictures++;
    } catch (error) {
      if (error === "enough") this.counts.canceled++;
      else if (error instanceof DisposedError) this.counts.disposed++;
      else throw error;
    } finally {
      clearTimeout(stop);
    }
  }

  /** Something that is refused before the engine sees it, or by the engine. */
  async err(model: Model): Promise<void> {
    const wrong: GenerateOptions[] = [
      { prompt: "x", steps: 0 },
      { prompt: "x".repeat(100_000) },
      { prompt: "x", width: 17 },
      { prompt: "x", initImage: { data: new Uint8Array(3), width: 5, height: 5, channels: 3 } },
      { prompt: "x", initImage: "/no/such/picture.png" },
      { prompt: "x", loras: [{ path: "/no/such/lora.safetensors" }] },
      { prompt: "x", loras: [{ path: await fileOf("soak.gguf", "GGUF and then nothing of the kind") }] },
    ];
    const error = await model.generate({ width: 32, height: 32, steps: 1, ...this.of(wrong) }).then(
      () => undefined,
      (reason) => reason,
    );
    if (!(error instanceof SdcppError)) throw new Error(`a wrong run did not reject as it should: ${error}`);
    const counted = { ERR_INVALID_OPTION: "refused", ERR_DISPOSED: "disposed" } as const;
    this.counts[counted[error.code as keyof typeof counted] ?? "failed"]++;
  }

  async enlarge(upscaler: Upscaler): Promise<void> {
    await upscaler.upscale(flat(8 + this.pick(40), 8 + this.pick(40), this.of([3, 4])), { scale: 1 + this.pick(3) });
    this.counts.enlarged++;
  }

  async #options(lora: boolean): Promise<GenerateOptions> {
    const width = 32 + 16 * this.pick(3);
    const height = 32 + 16 * this.pick(3);
    const options: GenerateOptions = {
      prompt: Array.from({ length: 1 + this.pick(20) }, () => this.of(words)).join(" "),
      width,
      height,
      steps: 1 + this.pick(3),
      cfgScale: this.of([1, 1, 1, 4.5]),
      seed: this.pick(65536),
      priority: this.pick(5) - 2,
      batchCount: this.of([1, 1, 1, 1, 2]),
    };
    const extras: GenerateOptions[] = [
      { ...options, preview: true },
      { ...options, initImage: flat(width + 5, height, 4), strength: 0.7 },
      { ...options, initImage: flat(width, height, 3), mask: half(width, height) },
      { ...options, hires: { scale: 1.5, steps: 1 } },
      { ...options, vaeTiling: true },
    ];
    if (lora) extras.push({ ...options, loras: [{ path: await kohyaLora(24), weight: this.pick(20) / 10 }] });
    return this.pick(2) ? this.of(extras) : options;
  }
}
