import { Image } from "../../picture/image.js";
import { readParameters } from "../../picture/parameters.js";
import type { Jobs } from "../jobs.js";
import { type Kept, newestFirst, type Shelf, summarized } from "./kept.js";

/** The pictures that an owner's jobs still hold. */
export class JobShelf implements Shelf {
  readonly kind = "memory";
  readonly #jobs: Jobs;

  constructor(jobs: Jobs) {
    this.#jobs = jobs;
  }

  async list(owner: string): Promise<readonly Kept[]> {
    const found = this.#jobs.list(owner).flatMap((job) =>
      job.pictures.map((picture): Kept => {
        const { index, parameters, width, height, png } = picture;
        const text = () => readParameters(new Image(new Uint8Array(0), width, height, 3, parameters));
        return {
          name: `${job.id}/${index}.png`,
          time: (job.ended ?? job.started ?? job.created) + index / 1000,
          read: png,
          parameters: text,
          summary: summarized(text),
        };
      }),
    );
    return found.sort(newestFirst);
  }

  async find(name: string, owner: string): Promise<Kept | undefined> {
    return (await this.list(owner)).find((kept) => kept.name === name);
  }

  /** With the other pictures of its job, which is forgotten. */
  async remove({ name }: Kept, owner: string): Promise<void> {
    this.#jobs.remove(this.#jobs.get(name.split("/")[0] as string, owner));
  }
}
