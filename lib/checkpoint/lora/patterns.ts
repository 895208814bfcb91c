/**
 * PEFT's `rank_pattern` and `alpha_pattern` are regular expressions of Python that match the end of a module's name. A file's expression may not
 * hang this process, so they are not given to RegExp: this reads letters, `.`, `\d`, `\w`, escapes, `*`, `+`, `?`, a leading `^`, and groups of
 * alternatives, and matches in bounded time.
 */
export type NamePattern = (name: string) => boolean;

const mostAlternatives = 64;
const mostLength = 500;

/** Undefined for an expression that has more than that. */
export function namePattern(text: string): NamePattern | undefined {
  if (text.length > mostLength) return undefined;
  const sequences = expand(text)?.map(readSequence);
  if (!sequences || sequences.some((sequence) => !sequence)) return undefined;
  return (name) => sequences.some((sequence) => sequence && matches(sequence, name));
}

/** Plain text, and a group of alternatives that no quantifier follows. */
const piece = /^((?:[^()|[\]{}\\]|\\.)*)(?:\((?:\?:)?((?:[^()[\]{}\\]|\\.)*)\)(?![*+?]))?/s;

/** "a(b|c)d" → "abd", "acd". */
function expand(text: string): string[] | undefined {
  let made = [""];
  let rest = text;
  while (rest !== "") {
    const [whole = "", plain = "", group] = piece.exec(rest) ?? [];
    if (whole === "") return undefined;
    const ends = group === undefined ? [""] : group.split("|");
    made = made.flatMap((start) => ends.map((end) => start + plain + end));
    if (made.length > mostAlternatives) return undefined;
    rest = rest.slice(whole.length);
  }
  return made;
}

interface Sequence {
  anchored: boolean;
  tokens: { fits: (letter: string) => boolean; optional: boolean; repeats: boolean }[];
}

function readSequence(text: string): Sequence | undefined {
  const anchored = text.startsWith("^");
  const tokens: Sequence["tokens"] = [];
  const body = text.slice(anchored ? 1 : 0).replace(/(?<!\\)\$$/, "");
  const pieces = body.match(/(?:\\.|[^\\])[*+?]?/gs) ?? [];
  for (const piece of pieces) {
    const letter = piece.startsWith("\\") ? piece.slice(0, 2) : piece.slice(0, 1);
    const quantifier = piece.slice(letter.length);
    if (/^[*+?^$]$/.test(letter)) return undefined;
    tokens.push({
      fits: fitsOf(letter),
      optional: quantifier === "*" || quantifier === "?",
      repeats: quantifier === "*" || quantifier === "+",
    });
  }
  return { anchored, tokens };
}

function fitsOf(letter: string): (found: string) => boolean {
  if (letter === ".") return () => true;
  if (letter === "\\d") return (found) => /\d/.test(found);
  if (letter === "\\w") return (found) => /\w/.test(found);
  const plain = letter.replace(/^\\/, "");
  return (found) => found === plain;
}

/** Python's `re.match(rf"(.*\.)?({key})$", name)`. */
function matches({ anchored, tokens }: Sequence, name: string): boolean {
  let open = new Set<number>(); // how many tokens have been matched
  const enter = (at: number, into: Set<number>) => {
    into.add(at);
    for (let next = at; tokens[next]?.optional; next++) into.add(next + 1);
  };
  const begins = (position: number) => position === 0 || (!anchored && name[position - 1] === ".");
  for (let position = 0; position < name.length; position++) {
    if (begins(position)) enter(0, open);
    const after = new Set<number>();
    for (const at of open) {
      const token = tokens[at];
      if (!token?.fits(name[position] as string)) continue;
      enter(at + 1, after);
      if (token.repeats) after.add(at);
    }
    open = after;
  }
  return open.has(tokens.length);
}
