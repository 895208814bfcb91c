import { InvalidOptionError } from "../errors.js";
import type { MissingPart, PartName } from "../types/index.js";
import type { Assembly, Given, Slot, UsedPart } from "./assembly.js";
import { type Checkpoint, optionOf, whatIs } from "./checkpoint.js";
import { enginePrefix } from "./plan.js";
import { article, foreign, misplaced, partTitle, twice } from "./refusals.js";
import { remedies } from "./remedies.js";

/** A file in one of the engine's slots. */
interface Placed {
  /** Where it was named: an option of its own, or `files`. */
  option: string;
  checkpoint: Checkpoint;
  /** Named by an option of its own, and so not to be replaced by what is found. */
  explicit: boolean;
}

/** Puts files into the slots of the engine, one after the other. */
export class Assembler {
  readonly #given: Given;
  readonly #placed = new Map<Slot, Placed>();
  readonly #ignored: Assembly["ignored"] = [];
  #pipeline: Pick<Assembly, "title" | "flowShift"> = {};
  /** Files with several parts that were found, to be used when nothing else brings a diffusion model. */
  readonly #together: Placed[] = [];

  constructor(given: Given) {
    this.#given = given;
  }

  /** A file that was given by its option. */
  put(option: Slot, checkpoint: Checkpoint): void {
    this.#placed.set(this.#slotFor(option, checkpoint), { option, checkpoint, explicit: true });
  }

  /** A file that was found. */
  add(option: string, checkpoint: Checkpoint, inFolder: boolean, { title, flowShift }: Pick<Assembly, "title" | "flowShift"> = {}): void {
    if (checkpoint.parts.some(({ name }) => name === "diffusion") && this.#pipeline.title === undefined)
      this.#pipeline = { title, flowShift };
    const slot = optionOf(checkpoint);
    if (slot === undefined) {
      if (!inFolder) throw foreign(option, checkpoint);
      this.#ignore(checkpoint, `is ${article(whatIs(checkpoint))}`);
      return;
    }
    if (this.#isKnown(checkpoint)) return; // another part of a split checkpoint, as when all are named
    const found = { option, checkpoint, explicit: false };
    if (slot === "model") {
      this.#together.push(found);
      return;
    }
    const placed = slot === "diffusionModel" ? this.#diffusion() : this.#placed.get(slot);
    if (placed?.explicit) this.#ignore(checkpoint, `is not needed, as ${placed.option} was given`);
    else if (placed) throw twice(option, placed.checkpoint, checkpoint, partTitle(slot), slot);
    else this.#placed.set(slot, found);
  }

  #isKnown({ header }: Checkpoint): boolean {
    const first = header && header.files.length > 1 ? header.files[0]?.path : undefined;
    const known = [...this.#placed.values(), ...this.#together];
    return first !== undefined && known.some(({ checkpoint }) => checkpoint.header?.files[0]?.path === first);
  }

  finish(): Assembly {
    this.#useTogether();
    this.#chooseAutoencoder();
    const entries = [...this.#placed].map(([slot, { checkpoint }]) => [slot, checkpoint] as const);
    const used = this.#usedParts();
    return {
      files: Object.fromEntries(entries.map(([slot, { location }]) => [slot, location])),
      checkpoints: entries.map(([, checkpoint]) => checkpoint),
      used,
      ignored: this.#ignored,
      missing: this.#missing(used.map(({ part }) => part.name)),
      ...(this.#diffusion()?.explicit ? {} : this.#pipeline),
    };
  }

  /** The slot of the engine: a diffusion model alone and an all-in-one file are taken by either option. */
  #slotFor(option: Slot, checkpoint: Checkpoint): Slot {
    const { format, parts } = checkpoint;
    if (format === "checkpoint") return option; // what it holds is seen when it loads
    const own = optionOf(checkpoint);
    const isDiffusion = parts.some(({ name }) => name === "diffusion");
    if (option === "model" || option === "diffusionModel") {
      const other = option === "model" ? "diffusionModel" : "model";
      if (own === option || (option === "model" && own === "diffusionModel" && parts[0]?.prefix === enginePrefix.diffusion)) return option;
      const completes =
        option === "model" && own && this.#given.explicit.diffusionModel !== undefined && this.#given.explicit[own] === undefined;
      if (!isDiffusion && own && completes) return own;
      if (!isDiffusion || !own) throw foreign(option, checkpoint);
      if (this.#given.explicit[other] !== undefined) {
        throw new InvalidOptionError(option, `expected no ${other} beside ${checkpoint.location}, which is to be given as ${own}`);
      }
      return own;
    }
    if (own === option) return option;
    throw misplaced(option, checkpoint, this.#given.explicit);
  }

  #useTogether(): void {
    const [first, second] = this.#together;
    if (!first) return;
    const diffusion = this.#diffusion();
    if (diffusion?.explicit) {
      for (const { checkpoint } of this.#together) this.#ignore(checkpoint, `is not needed, as ${diffusion.option} was given`);
    } else if (diffusion) throw twice(first.option, diffusion.checkpoint, first.checkpoint, "diffusion model", "diffusionModel");
    else if (second) throw twice(first.option, first.checkpoint, second.checkpoint, "model of several parts", "model");
    else this.#placed.set("model", first);
  }

  /** The file that brings the diffusion model. A pickle given as model may be trusted to. */
  #diffusion(): Placed | undefined {
    const model = this.#placed.get("model");
    const { format, parts = [] } = model?.checkpoint ?? {};
    const brings = format === "checkpoint" || parts.some(({ name }) => name === "diffusion");
    return this.#placed.get("diffusionModel") ?? (brings ? model : undefined);
  }

  /** The engine prefers a TAESD to a VAE; where both were found, the better pictures are those of the VAE. */
  #chooseAutoencoder(): void {
    const taesd = this.#placed.get("taesd");
    const hasVae = this.#placed.has("vae") || this.#placed.get("model")?.checkpoint.parts.some(({ name }) => name === "vae");
    if (!taesd || taesd.explicit || !hasVae || this.#given.taesdPreviewOnly) return;
    this.#placed.delete("taesd");
    this.#ignore(taesd.checkpoint, "is not needed beside a VAE; give it as taesd to draw with it");
  }

  #ignore({ location: file }: Checkpoint, reason: string): void {
    this.#ignored.push({ file, reason });
  }

  /** The parts that the engine will read: a file of its own goes before what is in an all-in-one file. */
  #usedParts(): UsedPart[] {
    const replaced = this.#placed.has("taesd") && !this.#given.taesdPreviewOnly;
    return [...this.#placed].flatMap(([slot, { option, checkpoint }]) =>
      checkpoint.parts
        .filter(({ name }) => {
          const own = name === "diffusion" ? "diffusionModel" : name;
          if (name === "vae" && replaced) return false;
          if (slot === "model") return name !== "taesd" && !this.#placed.has(own);
          return slot === own;
        })
        .map((part) => ({ option, slot, checkpoint, part })),
    );
  }

  #missing(used: readonly PartName[]): MissingPart[] {
    const has = (slot: Slot, part: PartName) => used.includes(part) || this.#placed.has(slot);
    // A pickle given as model may hold anything.
    if (this.#placed.get("model")?.checkpoint.format === "checkpoint") return [];
    const encoders = (["clipL", "clipG", "t5xxl"] as const).filter((part) => !has(part, part));
    const remedy = (part: Exclude<PartName, "diffusion">, required: boolean): MissingPart => {
      const { file, repository, bytes } = remedies[part];
      return { part, required, file, repository, bytes };
    };
    const isDemo = this.#diffusion()?.checkpoint.family === "demo"; // which was made for CLIP-L alone
    const hasVae = has("vae", "vae") || (this.#placed.has("taesd") && !this.#given.taesdPreviewOnly);
    return [
      ...(has("diffusionModel", "diffusion") ? [] : [{ part: "diffusion", required: true } as const]),
      ...(isDemo && encoders.length < 3 ? [] : encoders.map((part) => remedy(part, encoders.length === 3))),
      ...(hasVae ? [] : [remedy("vae", true)]),
    ];
  }
}
