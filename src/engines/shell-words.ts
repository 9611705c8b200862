/**
 * The words of a shell command. Quotes keep white space, a backslash takes the next character as it is (at the end of a line it joins it
 * with the next), and so it does before a quote, a backslash or a dollar sign within double quotes. A quote that is not closed ends
 * with the text. Reads each character once.
 */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    const next = text[at + 1];
    if (quote === "'") {
      if (letter === "'") quote = '';
      else word += letter;
    } else if (letter === '\\' && next !== undefined && (quote === '' || '"\\$`\r\n'.includes(next))) {
      const newline = next === '\n' || (next === '\r' && text[at + 2] === '\n');
      at += next === '\r' && newline ? 2 : 1;
      if (!newline) word = (word ?? '') + next;
    } else if (quote === '"') {
      if (letter === '"') quote = '';
      else word += letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      word ??= '';
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + letter;
  }
  if (word !== undefined) words.push(word);
  return words;
}
