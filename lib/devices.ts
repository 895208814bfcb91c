import { approve } from "./engine/backends/choice.js";
import { loadModule } from "./engine/backends/modules.js";
import { deviceId } from "./engine/backends/names.js";
import { native } from "./engine/binding.js";
import { callSite, fromNative } from "./errors.js";
import type { Device } from "./types/index.js";

/**
 * The devices that this build can compute on. GPU backends that come as libraries are tried first, in a process of their own; one that is broken
 * is left out with a warning (code SDCPP_BACKEND).
 * @throws NoBinaryError when there is no native build for this platform
 */
export async function listDevices(): Promise<Device[]> {
  const site = callSite(listDevices);
  try {
    const { files } = await approve("gpu");
    for (const file of files) await loadModule(file);
    const devices = await native().devices().promise;
    const { cpuVariant } = native().engine;
    return devices.map(({ name, description, type, memoryFree, memoryTotal }) => {
      const variant = type === "cpu" && cpuVariant ? { variant: cpuVariant } : {};
      return { id: deviceId(name), name: description, type, memoryFree, memoryTotal, ...variant };
    });
  } catch (error) {
    throw fromNative(error, site);
  }
}
