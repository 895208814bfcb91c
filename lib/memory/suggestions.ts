import type { NativeModelParams } from "../engine/binding.js";
import type { EstimateOptions, MemorySuggestion } from "../types/index.js";
import { openFootprint, type Picture } from "./footprint.js";
import { host } from "./need.js";
import { type Demand, neededOf, type Shortage, shortageOf, smallerSizes } from "./shortage.js";

/** A load and a picture. */
export interface Plan {
  params: NativeModelParams;
  picture: Picture;
}

interface Candidate extends Pick<MemorySuggestion, "text" | "options"> {
  model?: Partial<NativeModelParams>;
  picture?: Picture["params"];
}

/** What saves less than this part of the need is no help. */
const leastSaving = 0.01;

/** What helps with a shortage, in the order in which it costs the pictures or time. Reads the files' headers again for each change of the load. */
export async function suggest(plan: Plan, shortage: Shortage): Promise<MemorySuggestion[]> {
  const needed = (need: Record<string, Demand>) => {
    const { peak = 0, mapped = 0 } = need[shortage.device] ?? {};
    return neededOf({ peak, mapped, reserved: 0 }, shortage.bound);
  };
  const base = await weigh(plan);
  const suggestions: MemorySuggestion[] = [];
  for (const group of candidates(plan, shortage, base.parts)) {
    let found: MemorySuggestion | undefined;
    for (const { text, options, model, picture } of group) {
      const params = { ...plan.picture.params, ...picture };
      const changed = { params: { ...plan.params, ...model }, picture: { ...plan.picture, params } };
      const weighed = await weigh(changed).catch(() => undefined); // what cannot be done is no help
      const saves = weighed ? needed(base.need) - needed(weighed.need) : 0;
      if (!weighed || saves < leastSaving * needed(base.need)) continue;
      found = { text, options, saves, fits: weighed.fits };
      if (weighed.fits) break;
    }
    if (found) suggestions.push(found);
  }
  return suggestions;
}

async function weigh({ params, picture }: Plan) {
  const footprint = await openFootprint(params);
  try {
    const need = footprint.need(picture);
    return { need, parts: footprint.info.parts, fits: !shortageOf(need, footprint.free()) };
  } finally {
    footprint.close();
  }
}

type Parts = Awaited<ReturnType<typeof weigh>>["parts"];

/** Groups of changes; of each the first that is enough is suggested, else the last that helps. */
function candidates({ params, picture }: Plan, { device, available }: Shortage, parts: Parts): Candidate[][] {
  const { offload, mmap, t5xxl, backend } = params;
  const onHost = device === host;
  const one = (text: string, options: Partial<EstimateOptions>, model: Partial<NativeModelParams>): Candidate[] => [
    { text, options, model },
  ];
  const groups = [
    one("flashAttention: true", { flashAttention: true }, { flashAttention: true }),
    (["q8_0", "q4_0"] as const).flatMap((weightType) => {
      return one(`a smaller quantization, as weightType: "${weightType}" makes it`, { weightType }, { weightType });
    }),
  ];
  if (!onHost && parts.t5xxl?.device === device) {
    const placed = [backend, "te=cpu"].filter(Boolean).join(",");
    groups.push(one('placement: { textEncoders: "cpu" }', { placement: { textEncoders: "cpu" } }, { backend: placed }));
  }
  if (onHost && t5xxl && (parts.clipL || parts.clipG)) groups.push(one("leave out t5xxl", { t5xxl: undefined }, { t5xxl: undefined }));
  if (!picture.params.vaeTiling) {
    groups.push([{ text: "vaeTiling: true", options: { vaeTiling: true }, picture: { vaeTiling: { enabled: true } } }]);
  }
  if (!onHost && !offload) {
    const streamed = { params: "cpu", maxVram: Math.max(1, Math.floor(available / 2 ** 30) - 1), streamLayers: true } as const;
    const text = `offload: { params: "cpu", maxVram: ${streamed.maxVram}, streamLayers: true }`;
    groups.push(one(text, { offload: streamed }, { offload: streamed }));
  }
  if (onHost && !mmap && !offload) groups.push(one("mmap: true", { mmap: true }, { mmap: true }));
  if (onHost && offload?.params !== "disk") {
    const change = { offload: { params: "disk" }, mmap: false } as const;
    groups.push(one('offload: { params: "disk" }', change, change));
  }
  groups.push(
    smallerSizes(picture.params).map((size) => {
      const text = `${size.width}x${size.height} pixels`;
      return { text, options: { ...size, hires: undefined }, picture: { ...size, hires: undefined } };
    }),
  );
  return groups;
}
