import type { CommandModule } from "yargs";
import { formatBytes } from "../../errors.js";
import { listModels, modelsFolder } from "../../models.js";
import type { ListedModel } from "../../types/index.js";

export const models: CommandModule<object, { json: boolean }> = {
  command: "models",
  describe: "List the models that are known by name, and what of them is on disk",
  builder: { json: { type: "boolean", default: false, describe: "Print JSON" } },
  handler: async ({ json }) => {
    const list = await listModels();
    if (json) {
      process.stdout.write(`${JSON.stringify(list, undefined, 2)}\n`);
      return;
    }
    const rows = list.map((model) => [model.id, model.bytes ? formatBytes(model.bytes) : "", onDisk(model), remarks(model)]);
    const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
    for (const row of rows)
      process.stdout.write(
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
      );
    process.stderr.write(`Folder: ${modelsFolder()}\n`);
  },
};

function onDisk({ state, bytesOnDisk }: ListedModel): string {
  if (state === "included") return "part of the package";
  return state === "partial" ? `${formatBytes(bytesOnDisk)} on disk` : state;
}

function remarks({ aliases, gated }: ListedModel): string {
  return [...aliases.map((alias) => alias), ...(gated ? ["needs HF_TOKEN"] : [])].join(", ");
}
