import type { CommandModule } from "yargs";
import { describeSystem, listDevices } from "../../devices.js";
import { deviceLine, reportText } from "../report.js";

export const devices: CommandModule<object, { json: boolean; report: boolean }> = {
  command: "devices",
  describe: "List what can compute, or all that a bug report has to tell of this system",
  builder: {
    json: { type: "boolean", default: false, describe: "Print JSON" },
    report: { type: "boolean", default: false, describe: "Versions, backends, drivers, memory and settings, without names of people" },
  },
  handler: async ({ json, report }) => {
    if (report) process.removeAllListeners("warning"); // its text has names in it; the report tells the same without
    const found = report ? await describeSystem() : await listDevices();
    if (json) process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
    else if (Array.isArray(found)) process.stdout.write(found.map((device) => `${deviceLine(device)}\n`).join(""));
    else process.stdout.write(reportText(found));
  },
};
