import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../lib/engine/binding.js";

export const resultsFolder = path.join(packageRoot, "bench", "results");

/** What one bench measures: its rows are printed as Markdown while they come, and all of them are kept in bench/results/NAME.json. */
export class Table {
  readonly #name: string;
  readonly #columns: string[];
  readonly #rows: Record<string, string>[] = [];
  readonly #values: unknown[] = [];

  constructor(name: string, columns: string[]) {
    this.#name = name;
    this.#columns = columns;
    console.log(`| ${columns.join(" | ")} |\n|${" --- |".repeat(columns.length)}`);
  }

  /** `values`: what the row was made from, for the JSON. */
  row(cells: (string | number)[], values: unknown): void {
    console.log(`| ${cells.join(" | ")} |`);
    this.#rows.push(Object.fromEntries(this.#columns.map((column, i) => [column, String(cells[i])])));
    this.#values.push(values);
    mkdirSync(resultsFolder, { recursive: true });
    const json = { name: this.#name, rows: this.#rows.map((row, i) => ({ row, values: this.#values[i] })) };
    writeFileSync(path.join(resultsFolder, `${this.#name}.json`), `${JSON.stringify(json, undefined, 2)}\n`);
  }
}
