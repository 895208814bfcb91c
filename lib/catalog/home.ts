import { homedir } from "node:os";
import path from "node:path";
import { InvalidOptionError } from "../errors.js";

/** The folder for files the package unpacks or downloads: `SDCPP_HOME`, else the platform's place for caches. */
export function cacheHome(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  const chosen = env.SDCPP_HOME;
  if (chosen) {
    // A relative folder would move with the working directory and be filled again and again.
    if (!path.isAbsolute(chosen)) throw new InvalidOptionError("SDCPP_HOME", `must be an absolute path, but is "${chosen}"`);
    return path.normalize(chosen);
  }
  if (platform === "win32") return path.join(env.LOCALAPPDATA || path.join(homedir(), "AppData", "Local"), "node-sd-cpp", "Cache");
  if (platform === "darwin") return path.join(homedir(), "Library", "Caches", "node-sd-cpp");
  const base = env.XDG_CACHE_HOME; // The XDG specification says to ignore a relative one.
  return path.join(base && path.isAbsolute(base) ? base : path.join(homedir(), ".cache"), "node-sd-cpp");
}
