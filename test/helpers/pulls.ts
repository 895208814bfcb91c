import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, beforeEach } from "node:test";
import { replaceCatalog } from "../../lib/catalog/catalog.js";
import type { PullSettings } from "../../lib/catalog/retry.js";
import { pullModel } from "../../lib/models.js";
import type { PullEvent, PulledModel, PullOptions } from "../../lib/types/index.js";
import { type ContentName, contents, fast, filesBelow, serveAll, smallCatalog } from "./catalog.js";
import { TestHub } from "./hub.js";

/** The file of the model that `Pulls` pulls, and where it belongs. */
export const model = "model-Q4_0.gguf";
export const repository = "three/medium-gguf";

const variables = ["SDCPP_HOME", "HF_ENDPOINT", "HF_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

type Patience = Partial<PullSettings> & { id?: string };

/** Pulls of the small catalog, with a server and a cache folder of their own for each test. */
export class Pulls {
  hub!: TestHub;
  home!: string;
  readonly #environment = Object.fromEntries(variables.map((name) => [name, process.env[name]]));

  constructor() {
    before(() => replaceCatalog(smallCatalog()));
    after(() => {
      for (const [name, value] of Object.entries(this.#environment)) setVariable(name, value);
    });
    beforeEach(async () => {
      this.home = await mkdtemp(path.join(tmpdir(), "sdcpp-pull-"));
      this.hub = await TestHub.start();
      serveAll(this.hub);
      for (const name of variables) delete process.env[name];
      Object.assign(process.env, { SDCPP_HOME: this.home, HF_ENDPOINT: this.hub.url });
    });
    afterEach(async () => {
      await this.hub.close();
      await rm(this.home, { recursive: true, force: true });
    });
  }

  /** Where a file of a repository lies. */
  at(name: string, repo = repository): string {
    return path.join(this.home, "models", repo, name);
  }

  run(options: PullOptions = {}, { id = "sd3.5-medium:q4_0", ...settings }: Patience = {}): Promise<PulledModel> {
    return pullModel(id, { acceptLicense: true, ...options }, { ...fast, ...settings }, "");
  }

  /** The events of a pull, with its error if it fails. */
  async watch(options: PullOptions = {}, patience: Patience = {}) {
    const events: PullEvent[] = [];
    const error: unknown = await this.run({ ...options, onProgress: (event) => events.push(event) }, patience).then(
      () => undefined,
      (error) => error,
    );
    const statuses = (name: string) => events.flatMap((event) => (event.type === "file" && event.file.endsWith(name) ? event.status : []));
    return { events, error, statuses };
  }

  /** Every file of the first model is there with the right bytes, and nothing else. */
  async assertComplete(): Promise<void> {
    assert.deepEqual(await filesBelow(this.home), complete);
    for (const [name, repo] of weightsAndTexts) {
      assert.ok((await readFile(this.at(name, repo))).equals(contents[path.basename(name) as ContentName]), name);
    }
  }
}

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

const weightsAndTexts: [string, string][] = [
  [model, repository],
  ["text_encoders/clip_l.safetensors", "one/encoders"],
  ["vae.safetensors", "two/vaes"],
  ["LICENSE.md", repository],
  ["LICENSE.md", "two/vaes"],
];

const complete = [
  "licenses/stability-ai-community-2024-07-05.accepted.json",
  ...["text_encoders/clip_l.safetensors", "text_encoders/clip_l.safetensors.pulled.json", "NOTICE"].map(
    (name) => `models/one/encoders/${name}`,
  ),
  ...["LICENSE.md", "LICENSE.md.pulled.json", "NOTICE", model, `${model}.pulled.json`].map((name) => `models/${repository}/${name}`),
  ...["LICENSE.md", "NOTICE", "vae.safetensors", "vae.safetensors.pulled.json"].map((name) => `models/two/vaes/${name}`),
].sort();
