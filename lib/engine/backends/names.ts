/** Names of devices and backends: ours, as in the option `backend`, and the engine's. */

/** "CUDA0" → "cuda:0", as the option `backend` takes it. */
export function deviceId(engineName: string): string {
  const [, kind = engineName, index] = /^([a-z]+?)(\d*)$/i.exec(engineName) ?? [];
  const name = kind.toLowerCase();
  if (name === "metal" || name === "mtl") return "metal";
  return index ? `${name}:${index}` : name;
}

/** "cuda:0,te=metal" → "cuda0,te=mtl". */
export function engineNames(ids: string): string {
  return ids.replaceAll(":", "").replaceAll("metal", "mtl");
}
