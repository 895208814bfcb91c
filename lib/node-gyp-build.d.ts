declare module "node-gyp-build" {
  /** Finds and loads the addon of the package in `folder`. */
  export default function load(folder: string): unknown;
}
