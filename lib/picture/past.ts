import { drawnSteps } from "../options/schedule.js";
import type { ImageParameters } from "../types/index.js";

/** What the model that is to draw again has. */
export interface Redrawing {
  /** Names of its parts. */
  parts: readonly string[];
  /** Most tokens that T5 reads of one of the prompts. */
  t5Tokens: number;
}

/** Whether the version that drew it is one of 0.1. */
export function isPast({ version }: Pick<ImageParameters, "version">): boolean {
  return /^node-sd-cpp 0\.1\./.test(version ?? "");
}

/**
 * What this version does in another way than the one that drew the picture and cannot be told to do as before, as sentences. A picture that
 * names its scheduler ("discrete" was 0.1's default) is drawn with it.
 */
export function pastDifferences(parameters: ImageParameters, { parts, t5Tokens }: Redrawing): string[] {
  if (!isPast(parameters)) return [];
  const { cfgScale, prompt, negativePrompt, steps = 1, strength, skipLayerGuidance } = parameters;
  const { t5Prompt = prompt, negativeT5Prompt = negativePrompt } = parameters;
  const guided = cfgScale !== 1;
  const clip = [prompt, ...(guided ? [negativePrompt] : [])];
  const t5 = parts.includes("t5xxl") ? [t5Prompt, ...(guided ? [negativeT5Prompt] : [])] : [];
  const found: string[] = [];
  const tell = (applies: boolean, text: string) => {
    if (applies) found.push(text);
  };

  tell(
    parts.some((part) => part.startsWith("clip")) && clip.some(foreign),
    "CLIP reads text that is not ASCII as its makers' tokenizer does; 0.1 did not.",
  );
  tell(t5.some((text) => foreign(text) || spaced(text)), "T5 reads white space and characters that are not ASCII as its makers' tokenizer does; 0.1 did not."); // biome-ignore format: one sentence
  tell(t5.some((text) => text === ""), "T5 reads no text as its end mark alone; 0.1 put a space before it."); // biome-ignore format: one sentence
  tell([...clip, ...t5].some((text) => /[([]/.test(unescaped(text))), "Weights of words move what encoders make of them as in ComfyUI; 0.1 scaled it."); // biome-ignore format: one sentence
  tell(t5.length > 0 && t5Tokens > 76, `T5 reads its ${t5Tokens} tokens in one piece; 0.1 cut them into pieces of 77.`);

  const drawn = strength === undefined || strength === 1 ? steps : drawnSteps(strength, steps);
  const before = strength === undefined || strength === 1 ? steps : Math.max(1, Math.min(steps - 1, Math.round(steps * strength)));
  tell(drawn !== before, `Image to image draws ${drawn} of the ${steps} steps, as strength is rounded up; 0.1 drew ${before}.`);
  tell(
    strength !== undefined && strength < 1 && parts.includes("vae"),
    "The noise goes on after the random numbers by which the VAE samples the initial picture; 0.1 began with the same numbers again.",
  );
  if (skipLayerGuidance) {
    const { start, end } = skipLayerGuidance;
    const acts = stepsWhere(drawn, (i) => i > drawn * start && i < drawn * end);
    const acted = stepsWhere(drawn, (i) => i + 1 > Math.trunc(start * (drawn + 1)) && i + 1 < Math.trunc(end * (drawn + 1)));
    tell(acts !== acted, `Skip-layer guidance acts in ${acts}; in 0.1 in ${acted}.`);
  }
  return found;
}

/** "steps 2 to 6", counted from 1. */
function stepsWhere(steps: number, acts: (i: number) => boolean): string {
  const found = Array.from({ length: steps }, (_, i) => i).filter(acts);
  const [first = -1, last = -1] = [found[0], found.at(-1)];
  if (!found.length) return "no step";
  return first === last ? `step ${first + 1}` : `steps ${first + 1} to ${last + 1}`;
}

function foreign(text: string): boolean {
  return /[^\t\n\r -~]/.test(text);
}

/** White space that sentencepiece makes one space of, or drops; a space where a weighted part begins or ends. */
function spaced(text: string): boolean {
  return /[\t\n\r]| {2}|^ | $|[([\])] | [)\]:]/.test(unescaped(text));
}

/** Without brackets that are text. */
function unescaped(text: string): string {
  return text.replace(/\\[()[\]\\]/g, "x");
}
