import { checkLineLength, type RefuseLine } from './refusal.js';

/** Lines that were read together, without their ends. */
export interface LineBlock {
  /** Number of the first of them, from 1. */
  readonly first: number;
  readonly lines: readonly string[];
  /** Whether the text ends here without the end of this line: what wrote it may have been cut off. */
  readonly unended?: boolean;
}

/**
 * Lines of a text, which end with LF or CRLF; the last one needs no end. They come in blocks, one per chunk of text, since an iteration of an
 * asynchronous loop costs as much as reading several lines. Refuses a line longer than `MAX_LINE_CHARACTERS`.
 */
export async function* readLineBlocks(text: AsyncIterable<string>, refuse: RefuseLine): AsyncGenerator<LineBlock> {
  let rest = '';
  let first = 1;
  for await (const chunk of text) {
    const lines = chunk.split('\n');
    const last = lines.length - 1;
    lines[0] = rest + lines[0];
    checkLineLength(lines[0], first, refuse);
    rest = lines[last];
    lines.length = last;
    if (last === 0) continue;
    for (let i = 0; i < last; i++) if (lines[i].endsWith('\r')) lines[i] = lines[i].slice(0, -1);
    yield { first, lines };
    first += last;
    checkLineLength(rest, first, refuse);
  }
  if (rest !== '') yield { first, lines: [rest], unended: true };
}
