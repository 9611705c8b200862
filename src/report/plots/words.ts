import { grouped } from '../../text.js';

/** A range of whole numbers: "5", or "5 to 8". */
export function rangeOf(from: number, to: number): string {
  return from === to ? grouped(from) : `${grouped(from)} to ${grouped(to)}`;
}

/** Lines of a text that have `letters` at most, broken between words; a longer word has a line of its own. */
export function wrapped(text: string, letters: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > letters) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
