import { yamlLibrary } from '#yaml-library';
import { LockstepError } from '../errors.js';

/**
 * The value of a YAML document, JSON included, as PyYAML reads it: YAML 1.1, where yes and on are true. Errors: ERR_INPUT_INVALID for text
 * that is none, and for several documents.
 */
export function readYaml(text: string): unknown {
  checkNesting(text);
  try {
    const document = yamlLibrary().parseDocument(text, { version: '1.1', uniqueKeys: true, prettyErrors: false });
    const [fault] = document.errors;
    if (fault !== undefined) throw fault;
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (error instanceof LockstepError) throw error;
    const [fault] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new LockstepError('ERR_INPUT_INVALID', `This is no YAML: ${fault}`, { fault }, { cause: error });
  }
}

/** Most characters of a configuration, most indicators and white space in a row, and most brackets that are open at once. */
const MOST_CHARACTERS = 1 << 15;
const MOST_IN_A_ROW = 256;
const MOST_OPEN = 64;

/** Refuses what no configuration is like: the parser's time and memory grow with the square of such text. Reads each character once. */
function checkNesting(text: string): void {
  let open = 0;
  let row = 0;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    row = ' \t-?:'.includes(letter) ? row + 1 : 0;
    if (letter === '[' || letter === '{') open++;
    if (letter === ']' || letter === '}') open = Math.max(0, open - 1);
    if (row > MOST_IN_A_ROW || open > MOST_OPEN || at >= MOST_CHARACTERS) throw tooDeep();
  }
}

function tooDeep(): LockstepError {
  const fault = 'it is longer, wider or more deeply nested than a configuration is';
  return new LockstepError('ERR_INPUT_INVALID', `This is no YAML that is read here: ${fault}`, { fault });
}
