import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import { askForLicense } from "../../../lib/cli/commands/pull.js";
import { contents, filesBelow } from "../../helpers/catalog.js";
import { model, Pulls, repository } from "../../helpers/pulls.js";

const pulls = new Pulls();
const script = path.join(__dirname, "../../helpers/small-sdcpp.ts");

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs the command; `onStart` gets the process, to be signaled. */
function sdcpp(args: string[], onStart?: (child: ChildProcess) => void): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const ended: Ended = { code: null, signal: null, stdout: "", stderr: "" };
    child.stdout.on("data", (data) => {
      ended.stdout += data;
    });
    child.stderr.on("data", (data) => {
      ended.stderr += data;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ ...ended, code, signal }));
    onStart?.(child);
  });
}

const all = ["pull", "sd3.5-medium:q4_0", "--accept-license"];
const modelPath = () => pulls.at(model);

/** Waits until the server has sent so many bytes in all. */
async function whenSent(bytes: number, child: ChildProcess): Promise<void> {
  while (pulls.hub.sent < bytes && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("sdcpp pull", () => {
  it("prints the files, and says how it gets on in lines", async () => {
    const { code, stdout, stderr } = await sdcpp(all);
    assert.equal(code, 0, stderr);
    assert.equal(
      stdout,
      [modelPath(), pulls.at("text_encoders/clip_l.safetensors", "one/encoders"), pulls.at("vae.safetensors", "two/vaes"), ""].join("\n"),
    );
    assert.match(stderr, /^model-Q4_0\.gguf: done, checksum right \(400\.0 kB\)$/m);
    assert.match(stderr, /is ready: npx node-sd-cpp generate .* --model sd3\.5-medium:q4_0/);
    assert.ok(!stderr.includes("\x1b"), "no terminal codes");
    await pulls.assertComplete();
  });

  it("prints one event a line with --json, and nothing else with --quiet", async () => {
    const json = await sdcpp([...all, "--json"]);
    const events = json.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual([json.code, json.stderr, events.at(-1).type, events.at(-1).files.diffusionModel], [0, "", "result", modelPath()]);
    assert.ok(events.some(({ type, file, status }) => type === "file" && file === model && status === "done"));
    const quiet = await sdcpp([...all, "--quiet"]);
    assert.deepEqual([quiet.code, quiet.stderr, quiet.stdout.split("\n")[0]], [0, "", modelPath()]);
  });

  it("shows the license and fails when nobody accepts it", async () => {
    const { code, stdout, stderr } = await sdcpp(all.slice(0, 2));
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /USD 1,000,000.*npx node-sd-cpp pull sd3\.5-medium:q4_0 --accept-license.*ERR_LICENSE/s);
    assert.deepEqual(await filesBelow(pulls.home), []);
  });

  it("exits with 2 for a name that it does not know, and names the near one", async () => {
    const { code, stderr } = await sdcpp(["pull", "sd3.5-medium:q4-0"]);
    assert.deepEqual([code, /^id: expected one of .*did you mean sd3\.5-medium:q4_0\?/.test(stderr)], [2, true], stderr);
  });

  it("keeps what has come on Ctrl-C and exits with 130; the next one goes on", async () => {
    pulls.hub.always.set(model, { throttle: 1024 });
    const { code, stdout, stderr } = await sdcpp(all, (child) => void whenSent(300_000, child).then(() => child.kill("SIGINT")));
    assert.deepEqual([code, stdout], [130, ""], stderr);
    assert.match(stderr, /Interrupted\.\n$/);
    const files = await filesBelow(pulls.home);
    assert.ok(files.includes(`models/${repository}/${model}.part`) && !files.some((file) => file.endsWith(".lock")), String(files));
    pulls.hub.always.delete(model);
    assert.match((await sdcpp(all)).stderr, /model-Q4_0\.gguf: goes on/);
    await pulls.assertComplete();
  });

  it("survives SIGKILL at any moment, again and again", async () => {
    const names = Object.keys(contents);
    for (const name of names) pulls.hub.always.set(name, { ...pulls.hub.always.get(name), throttle: 1500 });
    let kills = 0;
    for (; kills < 40; kills++) {
      const target = pulls.hub.sent + Math.floor(Math.random() ** 2 * 250_000);
      const { signal } = await sdcpp(all, (child) => void whenSent(target, child).then(() => child.kill("SIGKILL")));
      if (signal !== "SIGKILL" || pulls.hub.sent > 1_200_000) break;
      const left = await filesBelow(pulls.home);
      for (const file of left) {
        const whole = contents[path.basename(file).replace(/\.part$/, "") as keyof typeof contents];
        if (!whole) continue;
        const data = await readFile(path.join(pulls.home, file));
        assert.ok(whole.subarray(0, data.length).equals(data), `${file} is a beginning of the file`);
        assert.ok(file.endsWith(".part") || data.length === whole.length, `${file} has its name and is complete`);
      }
    }
    assert.ok(kills >= 1);
    for (const name of names) pulls.hub.always.set(name, name === "LICENSE.md" ? { linked: null } : {});
    const { code, stderr } = await sdcpp(all);
    assert.equal(code, 0, stderr);
    await pulls.assertComplete();
  });
});

describe("the question for the license", () => {
  async function answer(text: string): Promise<{ accepted: boolean; shown: string }> {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const accepted = askForLicense("sd3.5-medium:q4_0", new AbortController().signal, { input, output });
    input.end(text);
    return { accepted: await accepted, shown: String(output.read()) };
  }

  it("shows the license, and takes yes alone", async () => {
    const { accepted, shown } = await answer("yes\n");
    assert.equal(accepted, true);
    assert.match(shown, /USD 1,000,000.*Acceptable Use Policy.*Do you accept/s);
    for (const text of ["y\n", "no\n", "\n", "yes, but\n", ""]) assert.equal((await answer(text)).accepted, false, text);
    assert.equal((await answer(" YES \n")).accepted, true);
  });

  it("is not asked when it has been accepted", async () => {
    await pulls.run();
    assert.deepEqual(await answer("yes\n"), { accepted: false, shown: "null" });
  });

  it("ends with the signal", async () => {
    const controller = new AbortController();
    const terminal = { input: new PassThrough(), output: new PassThrough() };
    const question = askForLicense("sd3.5-medium", controller.signal, terminal);
    setTimeout(() => controller.abort(new Error("stop")), 20);
    await assert.rejects(question, { message: "stop" });
  });
});

describe("sdcpp models", () => {
  it("lists what is on disk, for people and as JSON", async () => {
    await pulls.run();
    const text = await sdcpp(["models"]);
    assert.match(text.stdout, /^demo +part of the package$/m);
    assert.match(text.stdout, /^sd3\.5-medium:q4_0 +640\.0 kB +complete +sd3\.5-medium$/m);
    assert.match(text.stdout, /^sd3\.5-medium:q8_0 +740\.0 kB +240\.0 kB on disk$/m);
    assert.match(text.stdout, /^sd3\.5-large-turbo:q4_0 .* needs HF_TOKEN$/m);
    assert.match(text.stderr, /Folder: .*models/);
    const list = JSON.parse((await sdcpp(["models", "--json"])).stdout);
    assert.deepEqual(
      list.map(({ id, state }: { id: string; state: string }) => [id, state]),
      [
        ["demo", "included"],
        ["sd3.5-medium:q4_0", "complete"],
        ["sd3.5-medium:q8_0", "partial"],
        ["sd3.5-large-turbo:q4_0", "partial"],
        ["sd3.5-medium:diffusers", "absent"],
      ],
    );
  });

  it("works with an empty folder, and makes none", async () => {
    const empty = await mkdtemp(path.join(tmpdir(), "sdcpp-empty-"));
    process.env.SDCPP_HOME = path.join(empty, "home");
    assert.equal((await sdcpp(["models"])).code, 0);
    assert.deepEqual(await readdir(empty), []);
    await rm(empty, { recursive: true });
  });
});
