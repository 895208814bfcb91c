import { approve } from "./engine/backends/choice.js";
import { loadModule } from "./engine/backends/modules.js";
import { deviceId } from "./engine/backends/names.js";
import { native } from "./engine/binding.js";
import { callSite, fromNative } from "./errors.js";
import { describeDrivers } from "./report/drivers.js";
import { describeEnvironment } from "./report/environment.js";
import { anonymous } from "./report/private.js";
import { gather, reasonOf } from "./report/system.js";
import type { Device, SystemReport } from "./types/index.js";

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

/**
 * What a bug report has to tell of this system: versions, devices, the GPU backends that were tried and why some are left out, drivers, memory,
 * variables of the environment, and pulled models. It names no people and no home folder. Never rejects: what is wrong is part of the answer.
 * `npx node-sd-cpp devices --report` prints it.
 */
export async function describeSystem(): Promise<SystemReport> {
  const found = await gather();
  let devices: Device[] = [];
  let { engine } = found;
  try {
    devices = await listDevices();
  } catch (error) {
    engine = { problem: reasonOf(error), ...engine };
  }
  return anonymous({ ...found, engine, devices, drivers: describeDrivers(), environment: describeEnvironment() });
}
