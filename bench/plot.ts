import { writeFile } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "../lib/engine/binding.js";

export interface Point {
  x: number;
  y: number;
  /** Which line it is on. */
  series: string;
}

/** Writes docs/NAME.svg: what was measured as points, what was expected as lines. */
export async function plot(name: string, axes: { x: string; y: string }, measured: Point[], expected: Point[]): Promise<void> {
  const { View, parse } = await import("vega");
  const { compile } = await import("vega-lite");
  const encoding = {
    x: { field: "x", type: "quantitative", title: axes.x },
    y: { field: "y", type: "quantitative", title: axes.y },
    color: { field: "series", type: "nominal", title: null },
  } as const;
  const { spec } = compile({
    width: 480,
    height: 280,
    background: "white",
    layer: [
      { data: { values: expected }, mark: { type: "line", opacity: 0.6 }, encoding },
      { data: { values: measured }, mark: { type: "point", filled: true, size: 50 }, encoding },
    ],
  });
  const svg = await new View(parse(spec), { renderer: "none" }).toSVG();
  await writeFile(path.join(packageRoot, "docs", `${name}.svg`), `${svg}\n`);
}
