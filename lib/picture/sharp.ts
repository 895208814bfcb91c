import type sharpModule from "sharp";
import { NoBinaryError } from "../errors.js";

type SharpModule = typeof sharpModule;

let loaded: SharpModule | undefined;

/**
 * sharp, loaded with the first picture: a program that draws none needs none, and in Electron it may bring a GLib of its own.
 * @throws NoBinaryError when it is not installed, or has no build for this platform
 */
export function sharp(...args: Parameters<SharpModule>): ReturnType<SharpModule> {
  try {
    loaded ??= require("sharp") as SharpModule;
  } catch (error) {
    const [reason = ""] = (error as Error).message.split("\n").filter(Boolean);
    throw new NoBinaryError(
      `sharp, which reads and writes pictures, could not be loaded (${reason}). Install it for ${process.platform}-${process.arch}: npm install --include=optional sharp`,
      { cause: error },
    );
  }
  return loaded(...args);
}
