import type { Readable } from "node:stream";

const most = 1 << 20;

/**
 * The bytes of a body as they come, several pieces at once where the reader is slower. What has arrived before a failure is handed out before
 * the failure is; a stream's own iterator throws it away. Listens from the call on, so that nothing is missed until somebody reads.
 */
export function receive(body: Readable): AsyncGenerator<Buffer, void> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let end: { error?: unknown } | undefined;
  let wake = () => {};
  const finish = (ended: { error?: unknown }) => {
    end ??= ended;
    wake();
  };
  body.on("data", (piece: Buffer) => {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= most) body.pause();
    wake();
  });
  body.on("end", () => finish({}));
  body.on("error", (error) => finish({ error }));
  body.on("close", () => finish({ error: new Error("the connection was closed") }));

  return (async function* () {
    for (;;) {
      if (pieces.length > 0) {
        const chunk = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
        [pieces, bytes] = [[], 0];
        body.resume();
        yield chunk;
      } else if (end) {
        if (end.error) throw end.error;
        return;
      } else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  })();
}
