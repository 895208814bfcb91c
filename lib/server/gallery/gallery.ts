import { HttpError } from "../errors.js";
import type { Jobs } from "../jobs.js";
import type { CheckedHandlerOptions } from "../options.js";
import { FileShelf } from "./files.js";
import type { Kept, Shelf, Summary } from "./kept.js";
import { JobShelf } from "./remembered.js";
import { Thumbnails } from "./thumbnails.js";

export interface GalleryPage {
  pictures: { kept: Kept; summary: Summary | null }[];
  /** Of all that fit the search. */
  total: number;
  /** Says where the next page begins; undefined on the last one. */
  next?: string;
}

/**
 * Finished pictures, newest first: the files of the output folder, or else what the jobs still hold. With several keys each owner sees its jobs'
 * pictures alone, since a file does not say whose it is.
 */
export class Gallery {
  readonly thumbnails = new Thumbnails();
  readonly shelf: Shelf;
  /** Whether pictures may be deleted. What is in memory alone its owner may always forget. */
  readonly deletes: boolean;

  constructor({ outputDir, apiKeys, allowDelete }: CheckedHandlerOptions, jobs: Jobs) {
    this.shelf = outputDir !== undefined && apiKeys.length <= 1 ? new FileShelf(outputDir) : new JobShelf(jobs);
    this.deletes = this.shelf.kind === "memory" ? outputDir === undefined : allowDelete;
  }

  /**
   * @param query words that all have to be in the prompt, the negative prompt or the file's name
   * @param after `next` of the page before
   */
  async page(owner: string, { query = "", after, limit }: { query?: string; after?: string; limit: number }): Promise<GalleryPage> {
    const all = await this.shelf.list(owner);
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length > 0 ? await this.#search(all, words) : all;
    const start = after === undefined ? 0 : positionAfter(found, after);
    const shown = found.slice(start, start + limit);
    const pictures = await Promise.all(shown.map(async (kept) => ({ kept, summary: await kept.summary() })));
    const last = shown.at(-1);
    const isMore = start + limit < found.length;
    return { pictures, total: found.length, ...(isMore && last ? { next: `${last.time} ${last.name}` } : {}) };
  }

  /** @throws HttpError 404 for a name that is not listed */
  async find(owner: string, name: string): Promise<Kept> {
    const kept = await this.shelf.find(name, owner);
    if (!kept) throw new HttpError(404, "not_found", "There is no such picture in the gallery.");
    return kept;
  }

  /** @throws HttpError 403 unless the server allows it, 404 */
  async remove(owner: string, name: string): Promise<void> {
    if (!this.deletes)
      throw new HttpError(403, "delete_forbidden", "This server does not allow pictures to be deleted (allowDelete, --allow-delete).");
    await this.shelf.remove(await this.find(owner, name), owner);
  }

  async #search(all: readonly Kept[], words: readonly string[]): Promise<Kept[]> {
    const found: Kept[] = [];
    const many = 64; // files that are read at the same time
    for (let at = 0; at < all.length; at += many) {
      const some = all.slice(at, at + many);
      const texts = await Promise.all(
        some.map(async (kept) => {
          const summary = await kept.summary();
          return `${summary?.prompt ?? ""} ${summary?.negativePrompt ?? ""} ${kept.name}`.toLowerCase();
        }),
      );
      found.push(...some.filter((_, index) => words.every((word) => texts[index]?.includes(word))));
    }
    return found;
  }
}

/** Also right when the picture that was the last one has gone meanwhile, or new ones have come. */
function positionAfter(sorted: readonly Kept[], cursor: string): number {
  const [, time = "", name = ""] = /^(\d+(?:\.\d+)?) (.*)$/s.exec(cursor) ?? [];
  if (time === "") throw new HttpError(400, "invalid_cursor", "after: expected the `next` of a page.", "after");
  const at = sorted.findIndex((kept) => kept.time < Number(time) || (kept.time === Number(time) && kept.name < name));
  return at < 0 ? sorted.length : at;
}
