// cmake-js and node-addon-api, which build the addon: those of a checkout, else fetched by npm to build/tools, in the versions that package.json
// pins. An app that has a prebuild gets neither.
const fs = require("node:fs");
const path = require("node:path");
const { BuildError, run } = require("./tools.js");

const root = path.join(__dirname, "..");
const names = ["cmake-js", "node-addon-api"];
const readManifest = (folder) => JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));

/** The folder of each in `modules`, when both are there in the pinned version. */
function found(modules, pinned) {
  const folders = names.map((name) => path.join(modules, name));
  const right = folders.every((folder, i) => fs.existsSync(folder) && readManifest(folder).version === pinned[names[i]]);
  return right ? Object.fromEntries(names.map((name, i) => [name, folders[i]])) : undefined;
}

/** npm without its wrapper, which on Windows is no program: the one that runs this, or the one beside Node. */
function npm() {
  const beside = path.dirname(process.execPath);
  const known = [
    process.env.npm_execpath,
    path.join(beside, "node_modules/npm/bin/npm-cli.js"),
    path.join(beside, "../lib/node_modules/npm/bin/npm-cli.js"),
  ];
  const script = known.find((file) => file && path.basename(file) === "npm-cli.js" && fs.existsSync(file));
  return script ? [process.execPath, script] : ["npm"];
}

function fetch(folder, pinned) {
  fs.mkdirSync(path.dirname(folder), { recursive: true });
  const work = fs.mkdtempSync(`${folder}-`);
  try {
    const dependencies = Object.fromEntries(names.map((name) => [name, pinned[name]]));
    fs.writeFileSync(path.join(work, "package.json"), JSON.stringify({ private: true, dependencies }));
    const env = Object.fromEntries(
      Object.entries(process.env).filter(
        ([name]) => !/^npm_config_(global|location|prefix|local_prefix|dry_run|package|omit|include)$/i.test(name),
      ),
    );
    const [tool, ...args] = npm();
    run(tool, [...args, "install", "--prefix", ".", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"], {
      cwd: work,
      env,
    });
    fs.rmSync(folder, { recursive: true, force: true });
    fs.renameSync(work, folder);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** The folders of the two, by name. */
function cmakeJsFolders() {
  const { devDependencies: pinned } = readManifest(root);
  const folder = path.join(root, "build", "tools");
  const look = () => found(path.join(root, "node_modules"), pinned) ?? found(path.join(folder, "node_modules"), pinned);
  if (!look()) fetch(folder, pinned);
  const folders = look();
  if (!folders)
    throw new BuildError(`npm ended well, but ${folder} has no ${names.map((name) => `${name} ${pinned[name]}`).join(" or no ")}.`);
  return folders;
}

module.exports = { cmakeJsFolders };
