import type { Reply } from "../engine/isolation/protocol.js";

const mostUnderWay = 4;

/**
 * The way of all replies to the host. Previews may be large, and a host that is busy does not read: only a few of them are under way at a
 * time. Of those beyond, the latest is kept, and sent when the host has taken another, or before its picture comes.
 */
export class PreviewGate {
  #underWay = 0;
  #latest: Reply | undefined;

  constructor(private readonly transmit: (reply: Reply) => void) {}

  send(reply: Reply): void {
    const type = reply.type === "event" ? reply.event.type : reply.type;
    if (type === "preview") {
      this.#latest = reply;
      if (this.#underWay < mostUnderWay) this.#release();
      return;
    }
    if (type === "image" || type === "result" || type === "error") this.#release();
    this.transmit(reply);
  }

  /** The host has taken one. */
  seen(): void {
    this.#underWay--;
    if (this.#underWay < mostUnderWay) this.#release();
  }

  #release(): void {
    if (!this.#latest) return;
    const reply = this.#latest;
    this.#latest = undefined;
    this.#underWay++;
    this.transmit(reply);
  }
}
