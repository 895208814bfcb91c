import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Image } from "../picture/image.js";
import { slug } from "../picture/slug.js";
import { HttpError } from "./errors.js";
import { Picture } from "./picture.js";

export interface ResultLimits {
  /** Folder for the pictures' files; without one they are in memory alone. */
  outputDir?: string;
  /** Seconds that a job that ended is remembered. */
  keepSeconds: number;
  /** Bytes of pictures in memory. */
  keepBytes: number;
  /** Jobs that ended and are remembered. */
  keepJobs: number;
}

/** Keeps pictures, and says which jobs are to be forgotten. */
export class Results {
  constructor(readonly limits: ResultLimits) {}

  async keep(
    image: Image,
    { job, index, seed, name: title }: { job: string; index: number; seed?: bigint; name: string },
  ): Promise<Picture> {
    const { width, height, parameters } = image;
    const { outputDir } = this.limits;
    if (outputDir === undefined) {
      const png = await image.encode("png");
      return new Picture(index, seed, width, height, parameters, undefined, png.byteLength, async () => png);
    }
    const name = `${dayOf(new Date())}/${slug(title)}-${seed ?? index}-${job.slice(0, 8)}-${index + 1}.png`;
    const file = path.join(outputDir, ...name.split("/"));
    try {
      await mkdir(path.dirname(file), { recursive: true });
      await image.toFile(file);
    } catch (error) {
      const { code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
      throw new HttpError(500, "not_saved", `The picture is drawn, but the output folder does not take it: ${code ?? "unknown"}.`);
    }
    const read = () =>
      readFile(file).catch(() => {
        throw new HttpError(404, "not_found", "The picture is no longer in the output folder."); // its name tells of the prompt
      });
    return new Picture(index, seed, width, height, parameters, name, 0, read);
  }

  /** Of jobs that ended, those that are too old or too many. */
  expired<Ended extends { ended: number | undefined; pictures: readonly Picture[] }>(ended: readonly Ended[]): Ended[] {
    const { keepSeconds, keepBytes, keepJobs } = this.limits;
    const now = Date.now();
    let bytes = 0;
    let count = 0;
    return [...ended]
      .sort((a, b) => (b.ended ?? 0) - (a.ended ?? 0))
      .filter((job) => {
        bytes += job.pictures.reduce((sum, { held }) => sum + held, 0);
        count++;
        const latest = count === 1; // is shown however large it is
        return !latest && (count > keepJobs || bytes > keepBytes || now - (job.ended ?? now) > keepSeconds * 1000);
      });
  }
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
