import { readdir } from "node:fs/promises";
import path from "node:path";
import type { Catalog, CatalogFile } from "../../lib/catalog/entries.js";
import { defaultSettings, type PullSettings } from "../../lib/catalog/retry.js";
import { sha256, type TestHub } from "./hub.js";
import { RandomBytes } from "./random.js";

/** No test waits longer than it has to. */
export const fast: PullSettings = { ...defaultSettings, pause: 1, maxPause: 5, stallTimeout: 20_000, retries: 3 };
/** For servers that fall silent. */
export const shortStall: Partial<PullSettings> = { stallTimeout: 300 };

export const contents = {
  "model-Q4_0.gguf": new RandomBytes("1").next(400_000),
  "model-Q8_0.gguf": new RandomBytes("2").next(700_000),
  "clip_l.safetensors": new RandomBytes("3").next(150_000),
  "vae.safetensors": new RandomBytes("4").next(90_000),
  "turbo.gguf": new RandomBytes("5").next(50_000),
  "model_index.json": Buffer.from('{"_class_name": "StableDiffusion3Pipeline"}'),
  "diffusion_pytorch_model.safetensors": new RandomBytes("6").next(60_000),
  "LICENSE.md": Buffer.from("STABILITY AI COMMUNITY LICENSE AGREEMENT (a stand-in)\n".repeat(40)),
};

export type ContentName = keyof typeof contents;

/** Two quantizations that share their parts: one whose size and checksum are known, one whose are not. And a Turbo that is gated. */
export function smallCatalog(): Catalog {
  const file = (role: CatalogFile["role"], repo: string, name: ContentName, known = true): CatalogFile => ({
    role,
    repo,
    path: role === "clipL" ? `text_encoders/${name}` : name,
    bytes: known ? contents[name].length : null,
    ...(!known && { about: 500_000 }),
    sha256: known ? sha256(contents[name]) : null,
    license: role === "clipL" ? "mit" : "stability-ai-community",
  });
  const parts = { clip_l: file("clipL", "one/encoders", "clip_l.safetensors"), vae: file("vae", "two/vaes", "vae.safetensors") };
  const model = (id: string, name: ContentName, known: boolean): Catalog["models"][number] => ({
    id,
    family: id.startsWith("sd3.5-large-turbo") ? "sd3.5-large-turbo" : "sd3.5-medium",
    gated: id.includes("turbo"),
    file: file("diffusionModel", id.includes("turbo") ? "gated/turbo" : "three/medium-gguf", name, known),
    with: Object.keys(parts),
  });
  return {
    aliases: { "sd3.5-medium": "sd3.5-medium:q4_0" },
    parts,
    models: [
      model("sd3.5-medium:q4_0", "model-Q4_0.gguf", true),
      model("sd3.5-medium:q8_0", "model-Q8_0.gguf", false),
      model("sd3.5-large-turbo:q4_0", "turbo.gguf", true),
      {
        ...model("sd3.5-medium:diffusers", "model_index.json", false),
        file: file("folder", "four/folder", "model_index.json", false),
        folder: [
          {
            ...file("folder", "four/folder", "diffusion_pytorch_model.safetensors"),
            path: "transformer/diffusion_pytorch_model.safetensors",
          },
        ],
        with: [],
      },
    ],
  };
}

export function serveAll(hub: TestHub): void {
  for (const [name, data] of Object.entries(contents)) hub.files.set(name, data);
  for (const text of ["LICENSE.md", "model_index.json"]) hub.always.set(text, { linked: null }); // no large files: the hub has no checksum for them
}

/** Every file below the folder, by its path with slashes. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
  return files.map((file) => file.replaceAll("\\", "/")).sort();
}
