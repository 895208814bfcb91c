/** What comes from a server of Server-Sent Events. */

export interface Message {
  event: string;
  data: Record<string, unknown>;
}

/** The messages of an answer, as they come. */
export async function* messagesOf(answer: Response): AsyncGenerator<Message> {
  let rest = "";
  for await (const text of (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() as string;
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
      if (fields.data !== undefined) yield { event: fields.event, data: JSON.parse(fields.data) }; // a comment alone is no message
    }
  }
}
