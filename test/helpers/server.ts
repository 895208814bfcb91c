import assert from "node:assert/strict";
import sharp from "sharp";
import { type RunningServer, type ServeOptions, serve } from "../../lib/server/index.js";

/** A server on a free port of this machine that draws with the demo, on one thread, in this process. */
export function startServer(options: ServeOptions = {}): Promise<RunningServer> {
  return serve({ port: 0, ...options, load: { threads: 1, isolate: false, ...options.load } });
}

export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
}

/** Prompt and seed of a picture whose content can be told by its pixels. */
export const circle = { prompt: "a red circle on a blue background", seed: 3 };

/** That the picture shows a red circle on a blue background: red in the middle, blue in the corners. */
export async function assertCircle(bytes: Uint8Array): Promise<void> {
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => {
    const first = (Math.floor(y * (info.height - 1)) * info.width + Math.floor(x * (info.width - 1))) * info.channels;
    return { red: data[first] ?? 0, blue: data[first + 2] ?? 0 };
  };
  const middle = at(0.5, 0.5);
  assert.ok(middle.red > middle.blue + 80, `the middle is red: ${JSON.stringify(middle)}`);
  for (const [x, y] of [
    [0.03, 0.03],
    [0.97, 0.03],
    [0.03, 0.97],
    [0.97, 0.97],
  ] as const) {
    const corner = at(x, y);
    assert.ok(corner.blue > corner.red + 80, `the corner ${x}, ${y} is blue: ${JSON.stringify(corner)}`);
  }
}

/** That an object has these members, whatever else it has. */
export function assertHas(found: object, members: Record<string, unknown>): void {
  for (const [name, wanted] of Object.entries(members)) {
    const value = (found as Record<string, unknown>)[name];
    if (typeof wanted === "object" && wanted !== null && typeof value === "object" && value !== null)
      assertHas(value, wanted as Record<string, unknown>);
    else assert.deepEqual(value, wanted, name);
  }
}
