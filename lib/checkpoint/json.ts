import { shown } from "./cursor.js";

/**
 * Strict reading of JSON whose shape is known. JSON.parse keeps the last of two members of one name, says nothing of where a wrong value
 * is, and builds whatever the text asks for.
 */
export class JsonReader {
  /** In characters, from the beginning of the text. */
  #at = 0;
  #bytes = 0;
  #counted = 0;

  constructor(
    private readonly text: string,
    private readonly onFail: (message: string, offset: number) => never,
  ) {}

  /** Where the next value begins, in bytes of UTF-8. */
  get position(): number {
    this.#skipSpace();
    return this.#offset(this.#at);
  }

  fail(message: string, offset = this.#offset(this.#at)): never {
    return this.onFail(message, offset);
  }

  /** Calls `member` with each name and its offset; it has to read the value. */
  object(what: string, most: number, member: (name: string, offset: number) => void): void {
    this.#expect("{", what);
    const names = new Set<string>();
    if (this.#accept("}")) return;
    do {
      const offset = this.position;
      const name = this.string(`a name in ${what}`);
      if (names.has(name)) this.fail(`${what} has the member ${shown(name)} twice`, offset);
      names.add(name);
      if (names.size > most) this.fail(`${what} has more than ${most} members`, offset);
      this.#expect(":", what);
      member(name, offset);
    } while (this.#accept(","));
    this.#expect("}", what);
  }

  string(what: string): string {
    this.#skipSpace();
    const start = this.#at;
    if (this.text[start] !== '"') this.fail(`${what} is no string`);
    for (let i = start + 1; i < this.text.length; i++) {
      const code = this.text.charCodeAt(i);
      if (code === 0x5c) i++;
      else if (code === 0x22) {
        this.#at = i + 1;
        return this.#decode(start, what);
      }
    }
    return this.fail(`${what} does not end`, this.#offset(start));
  }

  #decode(start: number, what: string): string {
    try {
      const value = JSON.parse(this.text.slice(start, this.#at)) as string;
      if (!/\p{Surrogate}/u.test(value)) return value; // half a character has no UTF-8
    } catch {}
    return this.fail(`${what} is no valid JSON string`, this.#offset(start));
  }

  /** Whole numbers from 0, in brackets. */
  integers(what: string, most: number): number[] {
    this.#expect("[", what);
    const numbers: number[] = [];
    if (this.#accept("]")) return numbers;
    do {
      this.#skipSpace();
      const digits = /(?:0|[1-9]\d{0,15})(?![\d.eE])/y;
      digits.lastIndex = this.#at;
      const [found] = digits.exec(this.text) ?? [];
      const value = Number(found);
      if (!Number.isSafeInteger(value)) this.fail(`${what} has a value that is no whole number below 2^53`);
      if (numbers.length === most) this.fail(`${what} has more than ${most} values`);
      numbers.push(value);
      this.#at = digits.lastIndex;
    } while (this.#accept(","));
    this.#expect("]", what);
    return numbers;
  }

  /** Only spaces may follow. */
  end(): void {
    this.#skipSpace();
    if (this.#at < this.text.length) this.fail("text follows the end of the JSON");
  }

  #skipSpace(): void {
    for (; this.#at < this.text.length; this.#at++) {
      const code = this.text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }

  #accept(mark: string): boolean {
    this.#skipSpace();
    if (this.text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #expect(mark: string, what: string): void {
    if (!this.#accept(mark)) this.fail(`"${mark}" is missing in ${what}`);
  }

  /** Characters → bytes. Counts on from the last place, as `position` is asked for at every name. */
  #offset(characters: number): number {
    if (characters < this.#counted) this.#bytes = this.#counted = 0;
    this.#bytes += Buffer.byteLength(this.text.slice(this.#counted, characters));
    this.#counted = characters;
    return this.#bytes;
  }
}
