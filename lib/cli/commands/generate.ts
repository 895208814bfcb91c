import { readFileSync } from "node:fs";
import type { CommandModule } from "yargs";
import { InvalidOptionError } from "../../errors.js";
import { loadModel, type Model } from "../../model.js";
import { families } from "../../models.js";
import { checkGenerateOptions, generateOptions, modelOptions, widestLimits } from "../../options/index.js";
import { formatOf } from "../../picture/image.js";
import { openImage } from "../../picture/inputs.js";
import { toJson } from "../../picture/json.js";
import type { GenerateOptions, GenerationEvent, LogEvent, ModelOptions, PreviewEvent } from "../../types/index.js";
import { flagsOf, lastOf, readFlags, yargsOptions } from "../flags.js";
import { interruptible } from "../interrupt.js";
import { modelDescription, presetOrFile } from "../model.js";
import { createOutput, type Output } from "../output.js";
import { createProgress, type Progress } from "../progress.js";

const { preset: _preset, ...modelTable } = modelOptions;
const modelFlags = flagsOf(modelTable);
const { prompt: _prompt, force: _force, ...runTable } = generateOptions; // --force is the model's, and goes for both
const runFlags = flagsOf(runTable);

/** What help shows without --all. */
const everyday = new Set(
  "model files backend lora-dir negative-prompt width height steps cfg-scale sampler scheduler seed batch-count init-image strength mask loras hires".split(
    " ",
  ),
);

interface Arguments extends Record<string, unknown> {
  prompt?: string[];
  output?: string;
  "preview-file"?: string;
  json: boolean;
  quiet: boolean;
  verbose: boolean;
}

interface Outputs {
  /** None for stdout. */
  target?: Output;
  previewFile?: string;
}

export const generate: CommandModule<object, Arguments> = {
  command: "generate [prompt..]",
  describe: "Draw pictures from a text",
  builder: (yargs) =>
    yargs
      .parserConfiguration({ "parse-positional-numbers": false })
      .positional("prompt", { type: "string", array: true, describe: `${generateOptions.prompt?.description}; - reads it from stdin` })
      .options(yargsOptions(modelFlags, "Model:", everyday))
      .option("model", { describe: modelDescription, defaultDescription: "demo" })
      .options(yargsOptions(runFlags, "Picture:", everyday))
      .showHidden("all", "Show all options")
      .options({
        output: {
          alias: "o",
          type: "string",
          requiresArg: true,
          describe: "File (.png, .jpg, .webp, .avif) or folder; - writes the PNG to stdout",
          defaultDescription: "<prompt>-<seed>.png",
        },
        "preview-file": {
          type: "string",
          requiresArg: true,
          hidden: true,
          describe: "File (.png, .jpg, .webp, .avif) that always shows the latest preview",
        },
        clobber: { type: "boolean", default: true, describe: "Replace an older file; --no-clobber refuses before anything is drawn" },
        json: { type: "boolean", default: false, describe: "Print one JSON event per line on stdout" },
        quiet: { alias: "q", type: "boolean", default: false, describe: "No progress" },
        verbose: { alias: "v", type: "boolean", default: false, describe: "Show the engine's log" },
      })
      .group(["output", "clobber", "preview-file", "json", "quiet", "verbose"], "Output:")
      .example('$0 generate "a lighthouse in a storm"', "with the demo model")
      .example(
        '$0 generate "a lighthouse" --diffusion-model sd3.5_medium.gguf --clip-l clip_l.gguf --vae vae.gguf',
        "with your files",
      ) as never,
  handler: async (given) => {
    const argv = lastOfEach(given);
    const run = { ...readFlags(runFlags, argv), prompt: readPrompt(argv.prompt), force: argv.force } as GenerateOptions;
    const previewFile = checkPreviewFile(argv["preview-file"], run);
    // Mistakes show before the model loads; its own limits are checked by generate().
    const { defaults } = families.demo;
    const loraDir = argv["lora-dir"] as string | undefined;
    const { parameters, images } = checkGenerateOptions(run, { ...widestLimits, defaults, loraDir });
    if (images) await openImage(images.initImage, "initImage");
    if (images?.mask && images.mask !== "alpha") await openImage(images.mask, "mask");
    const { batchCount: count, prompt } = parameters;
    const toStdout = argv.output === "-";
    if (toStdout && (argv.json || count > 1)) {
      throw new InvalidOptionError(
        "output",
        `expected a file or folder ${argv.json ? "beside --json" : "for several pictures"}, received -`,
      );
    }
    const target = toStdout ? undefined : createOutput(argv.output, prompt, { count, keep: argv.clobber === false });
    await interruptible((signal) => draw(argv, run, { target, previewFile }, signal));
  },
};

/** A command whose prompt has many words has lists of all that is given twice. */
function lastOfEach(argv: Arguments): Arguments {
  const entries = Object.entries(argv).map(([name, value]) => [name, ["prompt", "files"].includes(name) ? value : lastOf(value)]);
  return Object.fromEntries(entries) as Arguments;
}

/** The words of the command line, or what stands in stdin. Undefined without any, for the check to name. */
function readPrompt(words: readonly string[] = []): string | undefined {
  // yargs drops a dash among the words.
  const dash = process.argv.some((word, at) => word === "-" && !/^(-o|--output)$/.test(process.argv[at - 1] ?? ""));
  if (dash && words.length > 0) throw new InvalidOptionError("prompt", "expected words or -, which reads them from stdin, received both");
  if (words.length > 0) return words.join(" ");
  if (dash) {
    try {
      return readFileSync(0, "utf8").trim();
    } catch (error) {
      throw new InvalidOptionError("prompt", `stdin cannot be read: ${(error as Error).message}`);
    }
  }
  throw new InvalidOptionError("prompt", 'expected a text: npx node-sd-cpp generate "a lighthouse in a storm"');
}

/** Each of `--preview…` and `--preview-file` needs the other; the file alone takes the defaults. */
function checkPreviewFile(file: string | undefined, run: GenerateOptions): string | undefined {
  if (file !== undefined) {
    createOutput(file, "");
    formatOf(file);
    run.preview ??= true;
  } else if (run.preview) throw new InvalidOptionError("previewFile", "expected the file that shows the previews");
  return run.preview ? file : undefined;
}

async function draw(argv: Arguments, run: GenerateOptions, output: Outputs, signal: AbortSignal): Promise<void> {
  const printer = argv.json ? new JsonPrinter(argv.verbose) : new TextPrinter(createProgress(argv), argv.verbose);
  const onLog = (event: LogEvent) => printer.log(event);
  try {
    await using model = await loadModel({ ...chooseModel(argv), signal, onLog, onProgress: (event) => printer.event(event) });
    await save(model, { ...run, signal }, output, printer);
  } finally {
    printer.end();
  }
}

/** `--model` takes a preset's name or a file; without any model the demo draws. */
function chooseModel(argv: Arguments): ModelOptions {
  const { model, ...options } = readFlags(modelFlags, argv) as ModelOptions;
  if (model === undefined && options.diffusionModel === undefined && options.files === undefined) {
    if (!argv.quiet) process.stderr.write("No --model, --diffusion-model or --files given: drawing with the small demo model.\n");
    return { ...options, preset: "demo" };
  }
  return { ...options, ...(model === undefined ? {} : presetOrFile(model)) };
}

/** Saves each picture as soon as it is drawn, so that an interrupted batch keeps those that are finished. */
async function save(model: Model, options: GenerateOptions, output: Outputs, printer: Printer): Promise<void> {
  const run = model.generate(options);
  const files: string[] = [];
  for await (const event of run) {
    if (event.type === "image") {
      if (!output.target) {
        printer.end();
        process.stdout.write(await event.image.encode("png"));
        continue;
      }
      const file = output.target.file(event.index, event.seed);
      await event.image.toFile(file);
      files.push(file);
      printer.image(event, file);
    } else if (event.type === "preview") {
      if (!output.previewFile) continue;
      await event.preview.toFile(output.previewFile);
      printer.preview(event, output.previewFile);
    } else if (event.type !== "log") printer.event(event);
  }
  const { parameters, timings } = await run;
  printer.result({ files, model: model.info.name, parameters, timings });
}

type PrintedEvent = Exclude<GenerationEvent, { type: "image" | "log" | "preview" }>;
type ImageEvent = Extract<GenerationEvent, { type: "image" }>;

interface Printer {
  event(event: PrintedEvent): void;
  log(event: LogEvent): void;
  image(event: ImageEvent, file: string): void;
  preview(event: PreviewEvent, file: string): void;
  result(result: object): void;
  end(): void;
}

class TextPrinter implements Printer {
  constructor(
    private readonly progress: Progress,
    private readonly verbose: boolean,
  ) {}

  event(event: PrintedEvent): void {
    if (event.type === "progress") this.progress.update(event);
  }

  log({ level, text }: LogEvent): void {
    if (this.verbose) process.stderr.write(`[${level}] ${text.trimEnd()}\n`);
  }

  image(_event: ImageEvent, file: string): void {
    this.progress.pause();
    process.stdout.write(`${file}\n`);
  }

  preview(): void {}

  result(): void {}

  end(): void {
    this.progress.pause();
  }
}

class JsonPrinter implements Printer {
  constructor(private readonly verbose: boolean) {}

  event(event: object): void {
    process.stdout.write(`${toJson(event)}\n`);
  }

  log(event: LogEvent): void {
    if (this.verbose) this.event(event);
  }

  image({ type, index, seed, image: { width, height } }: ImageEvent, file: string): void {
    this.event({ type, index, seed, width, height, file });
  }

  preview({ preview: { width, height }, ...event }: PreviewEvent, file: string): void {
    this.event({ ...event, width, height, file });
  }

  result(result: object): void {
    this.event({ type: "result", ...result });
  }

  end(): void {}
}
