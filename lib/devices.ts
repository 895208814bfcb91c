import { native } from "./binding.js";
import { callSite, fromNative } from "./errors.js";
import type { Device } from "./types.js";

/** "CUDA0" → "cuda:0", as the option `backend` takes it. */
export function deviceId(engineName: string): string {
  const [, kind = engineName, index] = /^([a-z]+?)(\d*)$/i.exec(engineName) ?? [];
  const name = kind.toLowerCase();
  if (name === "metal" || name === "mtl") return "metal";
  return index ? `${name}:${index}` : name;
}

/**
 * The devices that this build can compute on.
 * @throws NoBinaryError when there is no native build for this platform
 */
export async function listDevices(): Promise<Device[]> {
  const site = callSite(listDevices);
  try {
    const devices = await native().devices().promise;
    return devices.map(({ name, description, type, memoryFree, memoryTotal }) => {
      return { id: deviceId(name), name: description, type, memoryFree, memoryTotal };
    });
  } catch (error) {
    throw fromNative(error, site);
  }
}
