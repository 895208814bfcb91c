import type { ImageParameters } from "../../types/index.js";

/** A picture that can be looked at again. */
export interface Kept {
  /** What it is asked for by: only names that a listing has are ever looked up. */
  name: string;
  /** Milliseconds since 1970. */
  time: number;
  read(): Promise<Buffer<ArrayBuffer>>;
  /** How it was made; null when its file does not say. */
  parameters(): Promise<ImageParameters | null>;
  /** What lists and searches need of that, kept while the file is the same. */
  summary(): Promise<Summary | null>;
}

export type Summary = Pick<ImageParameters, "prompt" | "negativePrompt" | "seed" | "width" | "height" | "model">;

/** `summary` of `parameters`, which are read once. */
export function summarized(parameters: () => Promise<ImageParameters | null>): () => Promise<Summary | null> {
  let known: Promise<Summary | null> | undefined;
  return () => {
    known ??= parameters().then((found) => {
      if (!found) return null;
      const { prompt, negativePrompt, seed, width, height, model } = found;
      return { prompt, negativePrompt, seed, width, height, model };
    });
    return known;
  };
}

/** Where pictures are kept. */
export interface Shelf {
  kind: "files" | "memory";
  /** Newest first. */
  list(owner: string): Promise<readonly Kept[]>;
  /** One of these by its name. */
  find(name: string, owner: string): Promise<Kept | undefined>;
  remove(kept: Kept, owner: string): Promise<void>;
}

/** The order of all shelves. */
export function newestFirst(a: Kept, b: Kept): number {
  return b.time - a.time || (a.name < b.name ? 1 : -1);
}
