import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { packageRoot } from "../../lib/engine/binding.js";

/** Those that docs/page.md shows. */
const wanted = new Set(["empty-light", "drawing-light", "gallery-dark", "viewer-light", "mask-light", "models-dark", "drawing-phone"]);

/** A small picture of what is seen for docs/page.md, with SDCPP_PICTURES=docs; any other value is a folder for all of them. */
export async function takePicture(page: Page, name: string): Promise<void> {
  const where = process.env.SDCPP_PICTURES;
  if (!where || (where === "docs" && !wanted.has(name))) return;
  const folder = where === "docs" ? path.join(packageRoot, "docs", "page") : where;
  await mkdir(folder, { recursive: true });
  const small = sharp(await page.screenshot()).resize({ width: 800, withoutEnlargement: true });
  await writeFile(path.join(folder, `${name}.webp`), await small.webp({ quality: 82 }).toBuffer());
}
