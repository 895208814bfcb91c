/** Variables whose values tell nothing about people, and no secrets: devices, numbers, and paths, which are made anonymous. */
const shown = [
  "SDCPP_BACKEND",
  "SDCPP_BACKENDS",
  "SDCPP_HOME",
  "SDCPP_THREADS",
  "NODE_SD_CPP_PREBUILD",
  "PREBUILDS_ONLY",
  "LIBC",
  "NODE_PATH",
  "XDG_CACHE_HOME",
  "CUDA_VISIBLE_DEVICES",
  "OMP_NUM_THREADS",
];

/** Settings of ggml and of Vulkan's loader are names of devices, numbers and paths. */
const shownPrefixes = /^(GGML|VK)_/;

/** These may hold passwords, or the names of companies. */
const named =
  /^(SDCPP_.*|HF_.*|NODE_OPTIONS|NODE_ENV|NODE_EXTRA_CA_CERTS|NODE_TLS_REJECT_UNAUTHORIZED|LD_LIBRARY_PATH|LD_PRELOAD|DYLD_.*|(https?|all|no)_proxy)$/i;

/** The variables that are set and change what this package does, in the order of their names. */
export function describeEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const found = Object.entries(env).flatMap(([name, value]): [string, string][] => {
    if (!value || name === "GGML_NO_BACKTRACE") return []; // which the addon sets itself
    if (shown.includes(name) || shownPrefixes.test(name)) return [[name, value]];
    return named.test(name) ? [[name, "(set)"]] : [];
  });
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}
