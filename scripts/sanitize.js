// Builds the addon with a sanitizer, runs tests and then rounds of load, draw, cancel and dispose under it, and fails when a test fails or
// a report goes through our code:
//   node scripts/sanitize.js address|thread [--rounds N] [--built] [test files]
// Linux with GCC. Node itself is not instrumented: the sanitizer's runtime is preloaded, and only reports count of which a stack goes
// through the addon. What is known and not ours is in scripts/sanitize.supp.
const fs = require("node:fs");
const path = require("node:path");
const { spawnSync } = require("node:child_process");
const { parseArgs } = require("node:util");
const { BuildError, run, main } = require("./tools.js");

const root = path.join(__dirname, "..");
const native = (names) => names.map((name) => `test/native/${name}`);
const model = ["cancel", "dispose", "preview", "queue", "stress", "upscaler"].map((name) => `test/model/${name}.test.ts`);

/** `options` of each part of the runtime, and which lines of sanitize.supp are for it. */
const sanitizers = {
  address: {
    folder: "asan",
    library: "libasan.so",
    suite: [...native(fs.readdirSync(path.join(root, "test", "native"))), ...model],
    rounds: 200,
    options: {
      // A small quarantine, so that tests of memory that is given back see it go.
      ASAN_OPTIONS: ["halt_on_error=1:abort_on_error=1:quarantine_size_mb=16"],
      UBSAN_OPTIONS: ["halt_on_error=1:abort_on_error=1:print_stacktrace=1", /^(?!leak|race|deadlock)/],
      LSAN_OPTIONS: ["exitcode=0:print_suppressions=0", /^leak/], // of any program: what counts is read from the reports
    },
  },
  thread: {
    folder: "tsan",
    library: "libtsan.so",
    suite: [...native(["lifecycle.test.ts", "process.test.ts"]), ...model], // what uses our threads: the engine's, workers, channels, previews
    rounds: 20,
    options: { TSAN_OPTIONS: ["halt_on_error=0:exitcode=0:history_size=4:report_signal_unsafe=0", /^(race|deadlock)/] }, // Node's come too
  },
};

/** Writes each runtime's lines of sanitize.supp to a file of its own, as none bears those of another; returns the environment. */
function environment({ folder, library, options }, reports) {
  const lines = fs.readFileSync(path.join(__dirname, "sanitize.supp"), "utf8").split("\n");
  const common = `log_path=${path.join(reports, "report")}:stack_trace_format='    #%n %f %S %M'`;
  const env = { ...process.env, NODE_SD_CPP_PREBUILD: folder, SDCPP_SANITIZED: "1" };
  for (const [name, [given, suppressed]] of Object.entries(options)) {
    env[name] = `${common}:${given}`;
    if (!suppressed) continue;
    const file = path.join(folder, `${name}.supp`);
    fs.writeFileSync(file, lines.filter((line) => /^\w/.test(line) && suppressed.test(line)).join("\n"));
    env[name] += `:suppressions=${file}`;
  }
  const find = (file) => run(process.env.CXX ?? "c++", [`-print-file-name=${file}`], { capture: true }).trim();
  env.LD_PRELOAD = `${find(library)} ${find("libstdc++.so.6")}`; // the second, as the runtime looks for its __cxa_throw at once
  return env;
}

/** Frames of the runtime, of the C and C++ libraries, and of Node-API: what they do, they do for their caller. */
const forOthers = /^ +#\d+ (napi_|.*\(lib(asan|tsan|ubsan|c|m|stdc\+\+)\.so)/;

/** The line that says where in our code it is: the first of a stack, or what UBSan writes, which looks at our code alone. */
function placeOf(report) {
  const stacks = report.split(/\n(?! +#\d)/).map((part) => part.split("\n").filter((line) => /^ +#\d/.test(line)));
  const tops = stacks.map((frames) => frames.find((frame) => !forOthers.test(frame)));
  return tops.find((frame) => frame?.includes("(node-sd-cpp.node+")) ?? /^.*: runtime error: .*$/m.exec(report)?.[0];
}

/** The reports that are about the addon, each place once: every process writes its own, and many meet the same. */
function ours(reports) {
  const found = new Map();
  for (const name of fs.readdirSync(reports)) {
    const text = fs.readFileSync(path.join(reports, name), "utf8");
    for (const report of text.split(/^(?==+$|(?:Direct|Indirect) leak|==\d+==ERROR|\S+: runtime error)/m)) {
      const place = placeOf(report);
      if (place) found.set(place.replace(/^ +#\d+ /, ""), report);
    }
  }
  return [...found.values()];
}

function sanitize() {
  const { values, positionals } = parseArgs({
    options: { rounds: { type: "string" }, built: { type: "boolean", default: false } }, // built: takes what is built as it is
    allowPositionals: true,
  });
  const [name = "", ...files] = positionals;
  if (!(name in sanitizers)) throw new BuildError(`expected ${Object.keys(sanitizers).join(" or ")}, received "${name}".`);
  if (!values.built) {
    run(process.execPath, [path.join(__dirname, "build-native.js"), "--sanitize", name], { cwd: root });
    run("npm", ["run", "build:ts"], { cwd: root });
  }

  const sanitizer = { ...sanitizers[name], folder: path.join(root, "build", sanitizers[name].folder) };
  const reports = path.join(sanitizer.folder, "reports");
  fs.rmSync(reports, { recursive: true, force: true });
  fs.mkdirSync(reports, { recursive: true });
  const env = environment(sanitizer, reports);
  const node = (args) => spawnSync("setarch", ["-R", process.execPath, ...args], { cwd: root, env, stdio: "inherit" }).status === 0;

  const passed = node(["--import", "tsx", "--test", "--test-concurrency=1", ...(files.length ? files : sanitizer.suite)]);
  const rounds = Number(values.rounds ?? sanitizer.rounds);
  const survived = rounds === 0 || node([path.join(root, "test", "fixtures", "rounds.cjs"), String(rounds)]);
  const found = ours(reports);
  for (const report of found) console.error(report);
  console.log(
    `${name}: tests ${passed ? "passed" : "failed"}, ${rounds} rounds ${survived ? "passed" : "failed"}, ${found.length} reports`,
  );
  if (!passed || !survived || found.length) throw new BuildError("the sanitizer's run was not clean; see above.");
}

main(sanitize);
