/** A piece of text that may be shown, and whether a stop string came after it. */
export interface CheckedText {
  readonly text: string;
  readonly stopped: boolean;
}

/**
 * Text of a request on its way to a reader, without the string that ends it: what may be the beginning of a stop string is held
 * back until the text after it says.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';

  /** None of `stops` is empty. */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  push(text: string): CheckedText {
    if (this.#stops.length === 0) return { text, stopped: false };
    const all = this.#held + text;
    let at = -1;
    for (const stop of this.#stops) {
      const found = all.indexOf(stop);
      if (found >= 0 && (at < 0 || found < at)) at = found;
    }
    if (at >= 0) {
      this.#held = '';
      return { text: all.slice(0, at), stopped: true };
    }
    const safe = all.length - heldLength(all, this.#stops);
    this.#held = all.slice(safe);
    return { text: all.slice(0, safe), stopped: false };
  }

  /** What was held back, where the text ends without a stop string. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }
}

/** Characters at the end of `text` that begin one of `stops`: as many as any of them does. */
function heldLength(text: string, stops: readonly string[]): number {
  let most = 0;
  for (const stop of stops) {
    for (let length = Math.min(text.length, stop.length - 1); length > most; length--) {
      if (text.endsWith(stop.slice(0, length))) most = length;
    }
  }
  return most;
}
