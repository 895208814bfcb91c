// Makes packages/<platform>-<arch>-cuda: the npm package @node-sd-cpp/<platform>-<arch>-cuda with ggml's CUDA backend, in the layout of this
// package's prebuilds. Needs the CUDA toolkit (nvcc); the compiler is the system's, since nvcc does not go with zig.
const fs = require("node:fs");
const path = require("node:path");
const { BuildError, has, main, run } = require("./tools.js");

const root = path.join(__dirname, "..");
const platform = `${process.platform}-${process.arch}`;

function make() {
  if (!has("nvcc")) throw new BuildError("nvcc was not found: install the CUDA toolkit and put its bin folder on the PATH.");
  const built = path.join(root, "build", "cuda");
  const env = { ...process.env, SDCPP_BACKENDS: "cuda" };
  run(process.execPath, [path.join(__dirname, "build-native.js"), "--modules", "--out", built], { env, cwd: root });
  const name = fs.readdirSync(built).find((file) => /^(lib)?sdcpp-ggml-cuda\.(so|dll)$/.test(file));
  if (!name) throw new BuildError(`the build finished, but ${built} holds no CUDA backend.`);

  const folder = path.join(root, "packages", `${platform}-cuda`);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(path.join(folder, "prebuilds", platform), { recursive: true });
  fs.copyFileSync(path.join(built, name), path.join(folder, "prebuilds", platform, name));
  for (const file of ["LICENSE", "NOTICE"]) fs.copyFileSync(path.join(root, file), path.join(folder, file));
  const { version, license, repository } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
  const manifest = {
    name: `@node-sd-cpp/${platform}-cuda`,
    version,
    description: `The CUDA backend of node-sd-cpp ${version} for ${platform}`,
    license,
    repository,
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === "linux" ? { libc: ["glibc"] } : {}),
    files: ["prebuilds", "NOTICE"],
  };
  fs.writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  console.log(folder);
}

main(make);
