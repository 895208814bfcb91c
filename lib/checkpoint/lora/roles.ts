/** What a tensor of a LoRA is to its module. */
export type Role =
  | "down"
  | "up"
  | "mid"
  | "upBias"
  | "diff"
  | "biasDiff"
  | "alpha"
  | "scale"
  | "scalar"
  | "magnitude"
  | `hada_${"w1_a" | "w1_b" | "w2_a" | "w2_b" | "t1" | "t2"}`
  | `lokr_${"w1" | "w1_a" | "w1_b" | "w2" | "w2_a" | "w2_b" | "t2"}`
  | `glora_${"a1" | "a2" | "b1" | "b2"}`;

/** PEFT puts an adapter's name behind its tensors' in memory, and some tools save it: `lora_A.default.weight`. */
const adapter = "(?:\\.(?!weight$|bias$)[^.]+)?";

/**
 * The ends of tensor names by role. The spellings: `.lora_down.weight` (sd-scripts, OneTrainer, LyCORIS, ComfyUI), `.lora_A.weight` (PEFT, diffusers),
 * `.lora.down.weight`, `_lora.down.weight` and `.lora_linear_layer.down.weight` (old diffusers), `.lora_a` (llama.cpp's GGUF), `.dora_scale`
 * (sd-scripts, LyCORIS, OneTrainer), `.lora_magnitude_vector` (PEFT), `hada_`, `lokr_`, `.diff`, `.w_norm`, `.a1.weight` (LyCORIS).
 */
const ends: [role: Role | ((match: RegExpExecArray) => Role), pattern: RegExp][] = [
  ["down", new RegExp(`(?:[._]lora[._](?:down|A)${adapter}(?:\\.weight)?|\\.lora_linear_layer\\.down\\.weight|(?:\\.weight)?\\.lora_a)$`)],
  ["upBias", new RegExp(`(?:[._]lora[._](?:up|B)${adapter}|\\.lora_linear_layer\\.up)\\.bias$`)],
  ["up", new RegExp(`(?:[._]lora[._](?:up|B)${adapter}(?:\\.weight)?|\\.lora_linear_layer\\.up\\.weight|(?:\\.weight)?\\.lora_b)$`)],
  ["mid", /[._]lora[._]mid\.weight$/],
  ["magnitude", new RegExp(`\\.(?:dora_scale|lora_magnitude_vector${adapter}(?:\\.weight)?)$`)],
  ["alpha", /(?:[._]lora|\.lora_linear_layer)?\.alpha$/],
  ["scalar", /\.scalar$/],
  ["scale", /\.scale$/],
  ["diff", /\.(?:diff|w_norm)$/],
  ["biasDiff", /\.(?:diff_b|b_norm)$/],
  [([, name]) => `hada_${name}` as Role, new RegExp(`\\.hada_(w[12]_[ab]|t[12])${adapter}$`)],
  [([, name]) => `lokr_${name}` as Role, new RegExp(`\\.lokr_(w[12](?:_[ab])?|t2)${adapter}$`)],
  [([, name]) => `glora_${name}` as Role, /\.([ab][12])\.weight$/],
];

/** Tensors that stand beside LoRAs and change no weight of a model: embeddings of new words (OneTrainer). */
const asides = /^(?:bundle_emb|emb_params|string_to_param)\b/;

/** The module and the role that a tensor's name tells; "aside" for what changes nothing; undefined for a name that is not known. */
export function roleOf(name: string): { module: string; role: Role } | "aside" | undefined {
  if (asides.test(name)) return "aside";
  for (const [role, pattern] of ends) {
    const match = pattern.exec(name);
    if (match) return { module: name.slice(0, match.index), role: typeof role === "string" ? role : role(match) };
  }
  return undefined;
}
