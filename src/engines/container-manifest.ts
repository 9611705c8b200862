import { LockstepError } from '../errors.js';
import { shellQuoted } from '../text.js';
import { shellWords } from './shell-words.js';
import { readYaml } from './yaml.js';

type Fields = Readonly<Record<string, unknown>>;

/** Keys of a container of Kubernetes or Compose, and of a file that holds some. */
const KEYS = /^[ \t-]*"?(?:command|args|entrypoint)"?\s*:/m;
/** Most levels that are searched for containers. */
const MOST_LEVELS = 32;

/**
 * The command of a container that starts an engine, as `docker run` would have it: of a manifest of Kubernetes or a file of Compose (`command`, `args`,
 * `entrypoint`, `image`, `env` or `environment`), or of a list of words in JSON. Null for other text. Errors: ERR_INPUT_INVALID where several start one.
 */
export function containerLine(text: string, starts: (words: readonly string[]) => boolean): string | null {
  if (text.startsWith('[')) {
    const words = listOf(text);
    return words === null ? null : lineOf(words);
  }
  if (!KEYS.test(text)) return null;
  const found = text.split(/^---.*$/m).flatMap((part) => containersOf(part));
  const lines = [...new Set(found.filter((words) => starts(scriptWords(words))).map(lineOf))];
  if (lines.length < 2) return lines[0] ?? null;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `${lines.length} containers of this file start an engine: give the command of one`,
    { containers: lines.length },
  );
}

/** A list of words in JSON, as `command` of an image has it; null for another. */
function listOf(text: string): string[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === 'string') ? value : null;
  } catch {
    return null;
  }
}

/** Words with those of scripts among them, so that what a shell starts is seen. */
function scriptWords(words: readonly string[]): string[] {
  return words.flatMap((word) => (/\s/.test(word) ? shellWords(word) : [word]));
}

function containersOf(text: string): string[][] {
  try {
    return within(readYaml(text), 0);
  } catch {
    // A template of Helm is no YAML.
    return [];
  }
}

function within(value: unknown, level: number): string[][] {
  if (level > MOST_LEVELS || typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item) => within(item, level + 1));
  const fields = value as Fields;
  const own = [fields.entrypoint, fields.command, fields.args].flatMap(wordsOf);
  if (own.length > 0) {
    const image = typeof fields.image === 'string' ? [fields.image] : [];
    const pairs = environmentOf(fields.env ?? fields.environment);
    return [['docker', 'run', ...pairs.flatMap((pair) => ['-e', pair]), ...image, ...withVariables(own, pairs)]];
  }
  return Object.values(fields).flatMap((item) => within(item, level + 1));
}

function wordsOf(value: unknown): string[] {
  if (typeof value === 'string') return shellWords(value);
  return Array.isArray(value) && value.every((word) => ['string', 'number', 'boolean'].includes(typeof word))
    ? value.map(String)
    : [];
}

/** Words with the values of the container's own variables, as Kubernetes puts them in: `$(NAME)`. */
function withVariables(words: readonly string[], pairs: readonly string[]): string[] {
  const values = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
  return words.map((word) => word.replace(/\$\(([A-Za-z_]\w*)\)/g, (whole, name: string) => values.get(name) ?? whole));
}

/** `NAME=value` of each variable whose value is said. */
function environmentOf(value: unknown): string[] {
  const pairs = Array.isArray(value)
    ? value.map((item: unknown) => {
        if (typeof item === 'string') return item;
        const { name, value: said } = (item ?? {}) as Fields;
        return said === undefined || said === null ? '' : `${String(name)}=${String(said)}`;
      })
    : Object.entries((value ?? {}) as Fields).map(([name, said]) => `${name}=${String(said)}`);
  return pairs.filter((pair) => pair.includes('='));
}

/** Words as a shell reads them back: what holds more than plain letters in quotes. */
function lineOf(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : shellQuoted(word))).join(' ');
}
