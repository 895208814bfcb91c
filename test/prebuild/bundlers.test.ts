import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import sharp from "sharp";
import { packageRoot } from "../../lib/engine/binding.js";
import { pack } from "../helpers/packed.js";
import { center, edge, nearestColor, type Pixels } from "../helpers/pixels.js";
import { serve } from "../helpers/servers.js";

/** Apps whose bundler leaves the package external, which is right, or puts it in the bundle, which it then says. docs/bundlers.md has both. */

const execute = promisify(execFile);
const bundled = 'node-sd-cpp was bundled: leave it external; for Next: serverExternalPackages: ["node-sd-cpp"]';
const picture = { prompt: "a red circle on a blue background", steps: 4, seed: 7 };
const tools = [
  "next@latest",
  "react",
  "react-dom",
  "typescript",
  "@types/node",
  "@types/react",
  "vite",
  "esbuild",
  "webpack",
  "webpack-cli",
];
const rollup = ["rollup", "@rollup/plugin-node-resolve", "@rollup/plugin-commonjs", "@rollup/plugin-json"];

let work: string;
let app: string;
const env: NodeJS.ProcessEnv = { ...process.env, SDCPP_THREADS: "1", NEXT_TELEMETRY_DISABLED: "1", NODE_OPTIONS: undefined };

before(async () => {
  work = await mkdtemp(path.join(tmpdir(), "sdcpp-bundlers-"));
  app = path.join(work, "app");
  env.SDCPP_HOME = path.join(work, "home");
  await mkdir(app);
  await writeFile(path.join(app, "package.json"), '{ "name": "app", "private": true }');
  const packages = [await pack(packageRoot, work), ...tools, ...rollup];
  await execute("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages], { cwd: app, maxBuffer: 1 << 26 });
});
after(() => rm(work, { recursive: true, force: true }));

/** Runs a tool of the app; what it printed, which is no place for a module that is not there. */
async function tool(name: string, args: string[], more: NodeJS.ProcessEnv = {}): Promise<string> {
  const program = path.join(app, "node_modules", ".bin", name);
  const { stdout, stderr } = await execute(program, args, { cwd: app, env: { ...env, ...more }, maxBuffer: 1 << 26 });
  const printed = `${stdout}${stderr}`;
  assert.doesNotMatch(printed, /can't resolve|could not resolve|module not found|electron|critical dependency/i);
  return printed;
}

describe("bundlers of programs", () => {
  before(async () => {
    await writeFile(
      path.join(app, "entry.mjs"),
      `import { loadModel } from "node-sd-cpp";
      try {
        const model = await loadModel({ preset: "demo" });
        const { images } = await model.generate(${JSON.stringify({ ...picture, steps: 1 })});
        const bytes = await images[0].encode("png");
        await model.dispose();
        console.log(bytes.subarray(1, 4).toString());
      } catch (error) {
        console.log(error.code, error.message);
      }`,
    );
    await writeFile(
      path.join(app, "entry.cjs"),
      `const { loadModel } = require("node-sd-cpp");
      loadModel({ preset: "demo" }).catch((error) => console.log(error.code, error.message));`,
    );
    await writeFile(
      path.join(app, "webpack.config.cjs"),
      `module.exports = {
        target: "node", mode: "production", entry: "./entry.mjs", output: { path: __dirname + "/out", filename: process.env.OUT },
        externals: Object.fromEntries(process.env.EXTERNAL.split(",").map((name) => [name, "commonjs " + name])),
      };`,
    );
    await writeFile(
      path.join(app, "rollup.config.mjs"),
      `import commonjs from "@rollup/plugin-commonjs";
      import json from "@rollup/plugin-json";
      import nodeResolve from "@rollup/plugin-node-resolve";
      export default {
        input: "entry.mjs", external: process.env.EXTERNAL.split(","), output: { dir: "out", entryFileNames: process.env.OUT },
        plugins: [nodeResolve({ preferBuiltins: true }), commonjs(), json()],
      };`,
    );
    await writeFile(
      path.join(app, "vite.config.mjs"),
      `export default {
        logLevel: "warn", build: { ssr: "entry.mjs", outDir: "out", emptyOutDir: false, rollupOptions: { output: { entryFileNames: process.env.OUT } } },
        ssr: process.env.EXTERNAL === "sharp" ? { noExternal: ["node-sd-cpp"], external: ["sharp"] } : {},
      };`,
    );
  });

  /** How each makes `out/<file>` with these packages external. */
  const bundlers: Record<string, (file: string, external: string) => Promise<string>> = {
    "Vite SSR": (file, external) => tool("vite", ["build"], { OUT: file, EXTERNAL: external }),
    webpack: (file, external) => tool("webpack", [], { OUT: file, EXTERNAL: external }),
    rollup: (file, external) => tool("rollup", ["-c"], { OUT: file, EXTERNAL: external }),
    esbuild: (file, external) => {
      const [entry, format] = external === "sharp" ? ["entry.cjs", "cjs"] : ["entry.mjs", "esm"];
      return tool("esbuild", [
        entry,
        "--bundle",
        "--platform=node",
        `--format=${format}`,
        `--external:${external}`,
        `--outfile=out/${file}`,
      ]);
    },
  };

  async function printedBy(file: string): Promise<string> {
    const { stdout } = await execute(process.execPath, [path.join("out", file)], { cwd: app, env });
    return stdout;
  }

  for (const [name, bundle] of Object.entries(bundlers)) {
    const base = name.replace(" ", "-");
    const [inside, outside] = [name === "esbuild" ? "cjs" : "mjs", "mjs"].map((ending) => (name === "webpack" ? "cjs" : ending));

    test(`${name}: external, a picture is drawn`, async () => {
      await bundle(`${base}-external.${outside}`, "node-sd-cpp");
      assert.equal(await printedBy(`${base}-external.${outside}`), "PNG\n");
    });

    test(`${name}: bundled, it builds and says so at use`, async () => {
      await bundle(`${base}-bundled.${inside}`, "sharp");
      const printed = await printedBy(`${base}-bundled.${inside}`);
      assert.ok(printed.startsWith(`ERR_NO_BINARY ${bundled}`), printed);
    });
  }
});

describe("Next.js, standalone", () => {
  let next: string;
  before(async () => {
    next = path.join(work, "next");
    const draw = path.join(next, "app", "draw");
    await mkdir(draw, { recursive: true });
    await cp(path.join(app, "node_modules"), path.join(next, "node_modules"), { recursive: true, verbatimSymlinks: true });
    await writeFile(path.join(next, "package.json"), '{ "name": "next-app", "private": true }');
    await writeFile(
      path.join(next, "next.config.mjs"),
      `export default {
        output: "standalone", outputFileTracingRoot: import.meta.dirname,
        serverExternalPackages: process.env.EXTERNAL ? [process.env.EXTERNAL] : [],
      };`,
    );
    await writeFile(
      path.join(next, "app", "layout.tsx"),
      `export default function Layout({ children }: { children: React.ReactNode }) {
        return <html lang="en"><body>{children}</body></html>;
      }`,
    );
    await writeFile(
      path.join(draw, "route.ts"),
      `import { loadModel } from "node-sd-cpp";
      export const dynamic = "force-dynamic";
      export async function GET(request: Request): Promise<Response> {
        try {
          const isolate = new URL(request.url).searchParams.has("isolate");
          await using model = await loadModel({ preset: "demo", isolate });
          const { images } = await model.generate(${JSON.stringify(picture)});
          return new Response(await images[0]!.encode("png"), { headers: { "content-type": "image/png" } });
        } catch (error) {
          return Response.json(error, { status: (error as { statusCode?: number }).statusCode ?? 500 });
        }
      }`,
    );
  });

  /** Builds, and moves what is to be deployed to a folder of its own, so that nothing else is found. */
  async function deployed(bundler: string, external: string): Promise<string> {
    const { stdout, stderr } = await execute(path.join(next, "node_modules", ".bin", "next"), ["build", `--${bundler}`], {
      cwd: next,
      env: { ...env, EXTERNAL: external },
      maxBuffer: 1 << 26,
    });
    assert.doesNotMatch(`${stdout}${stderr}`, /can't resolve|module not found|electron|critical dependency/i);
    const to = path.join(work, `deployed-${bundler}-${external || "bundled"}`);
    await rename(path.join(next, ".next", "standalone"), to);
    return to;
  }

  for (const bundler of ["turbopack", "webpack"]) {
    test(`${bundler}: external, a route draws, also in a process of its own`, async () => {
      await using server = await serve(await deployed(bundler, "node-sd-cpp"), ["server.js"], env);
      for (const query of ["", "?isolate"]) {
        const answer = await fetch(`${server.url}/draw${query}`);
        assert.equal(answer.status, 200, await answer.clone().text());
        const { data, info } = await sharp(await answer.arrayBuffer())
          .raw()
          .toBuffer({ resolveWithObject: true });
        const drawn = { ...info, data } as Pixels;
        assert.deepEqual([nearestColor(drawn, center), nearestColor(drawn, edge)], ["red", "blue"]);
      }
    });

    test(`${bundler}: bundled, it builds and the route says so`, async () => {
      await using server = await serve(await deployed(bundler, ""), ["server.js"], env);
      const answer = await fetch(`${server.url}/draw`);
      const { code, message } = (await answer.json()) as { code: string; message: string };
      assert.deepEqual([answer.status, code], [501, "ERR_NO_BINARY"]);
      assert.ok(message.startsWith(bundled), message);
    });
  }
});
