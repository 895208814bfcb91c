declare module "node-gyp-build" {
  /** Finds and loads the addon of the package in `folder`. */
  function load(folder: string): unknown;
  namespace load {
    /** The file that it would load. */
    function path(folder: string): string;
  }
  export default load;
}
