import type { CommandModule } from "yargs";
import { listDevices } from "../../devices.js";

const gibibytes = (bytes: number) => (bytes / 2 ** 30).toFixed(1);

export const devices: CommandModule<object, { json: boolean }> = {
  command: "devices",
  describe: "List what can compute",
  builder: { json: { type: "boolean", default: false, describe: "Print JSON" } },
  handler: async ({ json }) => {
    const list = await listDevices();
    if (json) {
      process.stdout.write(`${JSON.stringify(list, undefined, 2)}\n`);
      return;
    }
    for (const { id, type, name, memoryFree, memoryTotal, variant } of list) {
      const memory = memoryTotal ? `${gibibytes(memoryFree)} of ${gibibytes(memoryTotal)} GiB free` : "";
      process.stdout.write(`${id.padEnd(10)} ${type.padEnd(5)} ${name}${variant ? ` (${variant})` : ""}  ${memory}\n`);
    }
  },
};
