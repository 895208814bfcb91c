/** A prompt as part of a file's name: "A lighthouse, in a storm!" → "a-lighthouse-in-a-storm". */
export function slug(prompt: string): string {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return Array.from(words.join("-")).slice(0, 40).join("").replace(/-$/, "") || "image";
}
