const QUOTE = 34;
const BACKSLASH = 92;

/**
 * The first name that an object of a JSON text says twice, or null. `JSON.parse` would keep the last without a word.
 * The text is one that `JSON.parse` takes: no more is checked here.
 */
export function firstRepeat(text: string): string | null {
  /** Names of each open object so far; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let last = '';
  for (let i = 0; i < text.length; i++) {
    const token = text[i];
    if (token === '"') {
      const end = stringEnd(text, i);
      last = text.slice(i, end);
      i = end - 1;
    } else if (token === ':') {
      // Outside of strings a colon follows a name, and nothing else.
      const name = JSON.parse(last) as string;
      const names = open.at(-1);
      if (names?.has(name)) return name;
      names?.add(name);
    } else if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
  }
  return null;
}

/** Index after the string that begins at `begin`. */
function stringEnd(text: string, begin: number): number {
  for (let i = begin + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) return i + 1;
    if (code === BACKSLASH) i++;
  }
  return text.length;
}
