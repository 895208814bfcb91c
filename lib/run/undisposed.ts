interface Disposable {
  dispose(): Promise<void>;
}

let warned = false;

/** What JavaScript has dropped without `dispose()` is freed when the garbage collector finds that out. */
const registry = new FinalizationRegistry<{ what: string; native: Disposable }>(({ what, native }) => {
  warn(what);
  native.dispose().catch(() => {}); // nobody is left to hear of it
});

/**
 * Frees `native` if `owner` is collected before `unwatch`.
 * @param what a noun with its article, for the warning
 */
export function watch(owner: object, what: string, native: Disposable): void {
  registry.register(owner, { what, native }, native);
}

/** To be called when it is disposed. */
export function unwatch(native: Disposable): void {
  registry.unregister(native);
}

function warn(what: string): void {
  if (warned || process.env.NODE_ENV === "production") return;
  warned = true;
  process.emitWarning(`${what} was dropped without dispose(); it kept its memory until it was garbage-collected.`, {
    code: "SDCPP_UNDISPOSED",
    detail:
      "Call dispose() when you no longer need it, or declare it with `await using`. This is said once, and not if NODE_ENV=production.",
  });
}
